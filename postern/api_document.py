"""The description of every REST door, as the document and the pages that the daemon serves."""

from aiohttp import web

from postern import __version__
from protocols.easysendsms import openapi as easysendsms
from protocols.exosend import openapi as exosend
from protocols.exotel import openapi as exotel
from protocols.http.docs import openapi_routes
from protocols.mesms import openapi as mesms

API_DOORS = (
    exosend.DESCRIPTION,
    exotel.DESCRIPTION,
    mesms.DESCRIPTION,
    easysendsms.DESCRIPTION,
)


def document_routes() -> list[web.RouteDef]:
    """`/openapi.json` and `/docs`."""
    return openapi_routes(API_DOORS, __version__)
