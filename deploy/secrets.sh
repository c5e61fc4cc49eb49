#!/bin/sh
# Makes the secrets of temporal-dev.yml once; existing ones are kept. Run it before the first `up`.
set -eu
cd "$(dirname "$0")"
# Compose mounts these files as they are, and each container has a user of its own: so the files
# are readable, and the folder around them is closed to everyone else on this machine.
mkdir -p secrets
chmod 700 secrets
for name in temporal_db_password odoo_db_password odoo_admin_password odoo_webhook_secret; do
    if [ ! -s "secrets/$name" ]; then
        # Letters and digits only: these pass through shells and configuration templates.
        LC_ALL=C tr -dc 'A-Za-z0-9' </dev/urandom | head -c 32 >"secrets/$name"
    fi
done
# Filled by odoo-setup: Odoo has to exist before it can give a key.
[ -e secrets/odoo_api_key ] || : >secrets/odoo_api_key
chmod 644 secrets/*
