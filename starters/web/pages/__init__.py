"""The workbench: pages drawn by the server, which work without scripts.

shell        one page in the layout, and how a form is answered
rendering    templates, and how money, days and remote text are shown
static       what browsers load: own style and script, htmx; under names with their hash
workbench    what pages need of the configuration
modules      the list of pages: a new module adds itself there
errors       failures as pages, for browsers
"""
