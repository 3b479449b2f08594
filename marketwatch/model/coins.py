"""Names of coins, so that people may ask for `bitcoin`, and the index that finds the pair they mean."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

from ..errors import NotFound
from .market import Instrument

_TABLE = """
BTC=bitcoin ETH=ethereum USDT=tether BNB=binancecoin SOL=solana XRP=ripple USDC=usd-coin ADA=cardano DOGE=dogecoin
TRX=tron AVAX=avalanche TON=toncoin LINK=chainlink DOT=polkadot MATIC=matic POL=polygon SHIB=shiba-inu LTC=litecoin
BCH=bitcoin-cash DAI=dai UNI=uniswap LEO=leo-token ATOM=cosmos ETC=ethereum-classic XLM=stellar XMR=monero OKB=okb
ICP=internet-computer FIL=filecoin HBAR=hedera LDO=lido APT=aptos CRO=cronos ARB=arbitrum VET=vechain NEAR=near
OP=optimism QNT=quant AAVE=aave MKR=maker GRT=the-graph ALGO=algorand EGLD=multiversx STX=stacks SAND=the-sandbox
AXS=axie-infinity MANA=decentraland EOS=eos THETA=theta IMX=immutable INJ=injective RUNE=thorchain XTZ=tezos
FTM=fantom NEO=neo FLOW=flow KAVA=kava GALA=gala CHZ=chiliz SNX=synthetix CRV=curve MINA=mina KLAY=klaytn ZEC=zcash
DASH=dash IOTA=iota COMP=compound ENJ=enjin BAT=basic-attention ZIL=zilliqa DYDX=dydx 1INCH=1inch
ENS=ethereum-name-service LRC=loopring QTUM=qtum CELO=celo YFI=yearn MASK=mask-network SUSHI=sushi KSM=kusama
ROSE=oasis WAVES=waves ANKR=ankr GMX=gmx GLM=golem ICX=icon ONT=ontology ZRX=0x RVN=ravencoin SUI=sui SEI=sei
TIA=celestia PEPE=pepe WIF=dogwifhat BONK=bonk FLOKI=floki JUP=jupiter PYTH=pyth WLD=worldcoin ORDI=ordi STRK=starknet
MANTA=manta ALT=altlayer DYM=dymension PIXEL=pixels JTO=jito ENA=ethena ETHFI=etherfi W=wormhole TAO=bittensor
RENDER=render FET=artificial-superintelligence OCEAN=ocean AGIX=singularitynet AR=arweave KAS=kaspa BLUR=blur
PENDLE=pendle CAKE=pancakeswap TWT=trust-wallet XEC=ecash BTT=bittorrent HOT=holo SC=siacoin LUNC=terra-classic
LUNA=terra USTC=terrausd-classic GMT=stepn APE=apecoin JASMY=jasmy SXP=solar STORJ=storj SKL=skale RSR=reserve-rights
BAND=band OMG=omg REN=ren KNC=kyber BAL=balancer UMA=uma NMR=numeraire API3=api3 SSV=ssv-network RPL=rocket-pool
FXS=frax-share CVX=convex ID=space-id EDU=open-campus ARKM=arkham CYBER=cyber NOT=notcoin IO=io-net ZK=zksync
ZRO=layerzero LISTA=lista BOME=book-of-meme DOGS=dogs HMSTR=hamster-kombat NEIRO=neiro EIGEN=eigenlayer SCR=scroll
TURBO=turbo PNUT=peanut-the-squirrel ACT=act MOVE=movement ME=magic-eden PENGU=pudgy-penguins TRUMP=official-trump
BERA=berachain HYPE=hyperliquid FDUSD=first-digital-usd TUSD=true-usd WBTC=wrapped-bitcoin STETH=staked-ether
PAXG=pax-gold EUR=euro
"""

COIN_NAMES = MappingProxyType(dict(pair.split("=") for pair in _TABLE.split()))
"""Coin names by base asset. A base asset that is not here goes by its own code in lower case."""

_BASES = MappingProxyType(
    {name: base for base, name in COIN_NAMES.items()} | {"polygon": "POL", "xrp": "XRP", "avalanche-2": "AVAX"}
)
_QUOTES = ("USDT", "USD", "USDC", "FDUSD", "TUSD", "EUR", "BTC", "ETH", "BNB")


class CoinIndex:
    """Finds the watched pair for a symbol (`BTCUSDT`, `btc-usdt`), a base asset (`BTC`) or a name (`bitcoin`), any case."""

    def __init__(self, instruments: Iterable[Instrument]) -> None:
        self.instruments = {item.symbol: item for item in instruments}
        self._found: dict[str, str] = {}
        for item in sorted(self.instruments.values(), key=_rank):
            name = COIN_NAMES.get(item.base.upper())
            for key in (item.symbol, _bare(item.symbol), item.base, *([name] if name else [])):
                self._found.setdefault(key.upper(), item.symbol)

    def symbol(self, coin_id: str) -> str:
        """The symbol of `coin_id`. Raises NotFound, naming the nearest ones that are watched."""
        key = coin_id.strip().upper()
        found = self._found.get(key) or self._found.get(_bare(key)) or self._found.get(_BASES.get(key.lower(), ""))
        if found is None:
            raise NotFound(*self._unknown(coin_id))
        return found

    def coin_id(self, symbol: str) -> str:
        """The coin's name, or its base asset in lower case where it has none here."""
        base = self.instruments[symbol].base
        return COIN_NAMES.get(base.upper(), base.lower())

    def nearest(self, coin_id: str) -> list[str]:
        """Up to three watched symbols, base assets or names that look like `coin_id`."""
        key = coin_id.strip().upper()[:64]
        close = get_close_matches(key, list(self._found), n=6, cutoff=0.6)
        by_symbol = {self._found[name]: name for name in reversed(close)}
        named = [name for name in close if by_symbol[self._found[name]] == name][:3]
        return [name if name in self.instruments or len(name) <= 5 else name.lower() for name in named]

    def _unknown(self, coin_id: str) -> tuple[str, list[dict[str, Any]]]:
        shown = coin_id if len(coin_id) <= 64 else coin_id[:61] + "..."
        near = self.nearest(coin_id)
        hint = f" Did you mean {' or '.join(near)}?" if near else " /api/market/symbols lists what is watched."
        return f'Coin "{shown}" is not watched.{hint}', [{"coin_id": shown, "nearest": near}]


def _bare(symbol: str) -> str:
    return symbol.replace("-", "").replace("/", "").replace("_", "")


def _rank(item: Instrument) -> tuple[int, str]:
    """Dollar pairs come first: they are what a bare coin name means."""
    quote = item.quote.upper()
    return (_QUOTES.index(quote) if quote in _QUOTES else len(_QUOTES), item.symbol)
