from . import peer_contract, sale_order
