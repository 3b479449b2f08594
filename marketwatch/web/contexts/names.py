"""Names of well-known coins, for people; an unknown coin is called by its symbol."""

from __future__ import annotations

COIN_NAMES = {
    "1INCH": "1inch", "AAVE": "Aave", "ADA": "Cardano", "ALGO": "Algorand", "APE": "ApeCoin", "APT": "Aptos", "AR": "Arweave",
    "ARB": "Arbitrum", "ATOM": "Cosmos", "AVAX": "Avalanche", "AXS": "Axie Infinity", "BCH": "Bitcoin Cash", "BNB": "BNB",
    "BONK": "Bonk", "BTC": "Bitcoin", "CHZ": "Chiliz", "COMP": "Compound", "CRV": "Curve", "DASH": "Dash", "DOGE": "Dogecoin",
    "DOT": "Polkadot", "EGLD": "MultiversX", "ENA": "Ethena", "ENJ": "Enjin", "ENS": "Ethereum Name Service", "EOS": "EOS",
    "ETC": "Ethereum Classic", "ETH": "Ethereum", "FET": "Fetch.ai", "FIL": "Filecoin", "FLOKI": "Floki", "FLOW": "Flow",
    "FTM": "Fantom", "GALA": "Gala", "GMT": "Stepn", "GRT": "The Graph", "HBAR": "Hedera", "ICP": "Internet Computer",
    "IMX": "Immutable", "INJ": "Injective", "IOTA": "IOTA", "JUP": "Jupiter", "KAVA": "Kava", "KSM": "Kusama", "LDO": "Lido",
    "LINK": "Chainlink", "LTC": "Litecoin", "MANA": "Decentraland", "MATIC": "Polygon", "MINA": "Mina", "MKR": "Maker",
    "NEAR": "NEAR", "NEO": "Neo", "NOT": "Notcoin", "ONDO": "Ondo", "OP": "Optimism", "ORDI": "Ordi", "PAXG": "PAX Gold",
    "PEPE": "Pepe", "PENDLE": "Pendle", "POL": "Polygon", "PYTH": "Pyth", "QNT": "Quant", "RENDER": "Render", "RNDR": "Render",
    "ROSE": "Oasis", "RUNE": "THORChain", "SAND": "The Sandbox", "SEI": "Sei", "SHIB": "Shiba Inu", "SNX": "Synthetix",
    "SOL": "Solana", "STRK": "Starknet", "STX": "Stacks", "SUI": "Sui", "SUSHI": "SushiSwap", "TAO": "Bittensor",
    "THETA": "Theta", "TIA": "Celestia", "TON": "Toncoin", "TRX": "TRON", "TRUMP": "Official Trump", "UNI": "Uniswap",
    "USDC": "USD Coin", "USDT": "Tether", "VET": "VeChain", "WIF": "dogwifhat", "WLD": "Worldcoin", "XLM": "Stellar",
    "XMR": "Monero", "XRP": "XRP", "XTZ": "Tezos", "YFI": "yearn.finance", "ZEC": "Zcash", "ZRX": "0x",
}  # fmt: skip


def coin_name(base: str) -> str:
    """`BTC` is `Bitcoin`; a coin that is not in the list is itself."""
    return COIN_NAMES.get(base, base)
