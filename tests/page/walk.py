"""The pages there are."""

PAGES = {
    "/": "Status",
    "/components": "Components",
    "/gpus": "GPUs",
    "/alerts": "Alerts",
    "/backups": "Backups",
    "/history": "History",
    "/runbooks": "Runbooks",
    "/runbooks/GpuXidReset": "GpuXidReset",
}
"""Path and first heading."""

OPEN_ALL = "for (const details of document.querySelectorAll('details')) details.open = true"
