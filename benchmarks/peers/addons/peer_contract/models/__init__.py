from . import peer_contract
