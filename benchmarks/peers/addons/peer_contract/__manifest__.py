{
    "name": "Signed contracts, as jobs",
    "version": "19.0.1.0.0",
    "license": "Other OSI approved licence",
    "depends": ["queue_job", "sale_project", "account"],
    "data": ["security/ir.model.access.csv"],
}
