"""`adjoin serve`: an OpenAI-compatible proxy that answers from the cache what was answered before."""

from __future__ import annotations

from typing import Annotated

import typer

from adjoin.cli import common


def register(app: typer.Typer) -> None:
    app.command("serve")(serve)


def serve(
    proxy: Annotated[
        str, typer.Option("--proxy", help="The endpoint to stand before.", metavar="URL", envvar="ADJOIN_PROXY")
    ],
    db: common.Db = common.DEFAULT_DB,
    collection: Annotated[
        str, typer.Option("--collection", "-c", help="Where the answers are kept; made on first use.")
    ] = "cache",
    host: Annotated[str, typer.Option(help="The address to listen at; 0.0.0.0 lets other machines in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port.")] = 8000,
    budget: Annotated[
        float,
        typer.Option(
            "--error-budget", help="The share of hits by meaning that may be wrong; 0 gives exact hits alone."
        ),
    ] = 0.01,
    ttl: Annotated[
        float | None, typer.Option("--ttl", help="Seconds that an answer lives.", show_default="for ever")
    ] = None,
    sampled: Annotated[
        bool, typer.Option("--cache-sampled", help="Also keep answers to requests with a temperature above 0.")
    ] = False,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for the endpoint.")] = 600.0,
) -> None:
    """Stand between any OpenAI client and its endpoint, and answer again what was answered before.

    Point the client's base URL at it: chat completions, streamed or not, are looked up first; all else goes through. Keys are
    passed on and not kept; each key has answers of its own. The header x-adjoin-cache says how a request was answered.

    [bold]adjoin serve --proxy https://api.openai.com/v1 --db cache.adjoin[/bold]
    [bold]OPENAI_BASE_URL=http://127.0.0.1:8000/v1 python your_program.py[/bold]
    """
    import adjoin
    from adjoin.llm.cache import SemanticCache
    from adjoin.serve.proxy import serve as run

    with (
        adjoin.open(db) as database,
        SemanticCache(database.collection(collection), budget, ttl_s=ttl, verify=0.0) as cache,
    ):
        typer.echo(f"answers for {proxy} at http://{host}:{port}/v1, kept in {db}; stop with Ctrl-C", err=True)
        run(cache, proxy, host=host, port=port, cache_sampled=sampled, timeout_s=timeout)
