#!/bin/bash
# Inside Odoo's image (service odoo-setup): makes the database and its master data the first time,
# then prints a new API key of the service user. Only the key goes to standard output.
set -euo pipefail
exec 3>&1 1>&2

database=c2c
# What the sandbox's own real Odoo installs, and what bootstrap.py fills.
modules=sale_project,sale_timesheet,account,crm,sale_crm,base_vat,contacts,hr_expense,l10n_uk
C2C_KEYS_FOLDER=$(mktemp -d)
export C2C_KEYS_FOLDER
trap 'rm -rf "$C2C_KEYS_FOLDER"' EXIT

is_set_up() {
    local found
    found=$(PGPASSWORD=$(<"$PASSWORD_FILE") psql --host "$HOST" --username "$USER" \
        --dbname "$database" --no-align --tuples-only \
        --command "SELECT count(*) FROM res_users WHERE login = 'c2c'" 2>/dev/null) \
        && [ "$found" = 1 ]
}

if ! is_set_up; then
    echo "Setting up Odoo's database (some minutes) ..."
    /entrypoint.sh odoo -d "$database" -i "$modules" --without-demo=all --no-http \
        --stop-after-init </dev/null
    /entrypoint.sh odoo shell -d "$database" --no-http </setup/bootstrap.py
fi
/entrypoint.sh odoo shell -d "$database" --no-http </setup/odoo_key.py
cat "$C2C_KEYS_FOLDER/new" >&3
