"""Names of things in plain words: their article and their plural."""

import re
import unicodedata
from typing import Any

PREPOSITIONS = {"with", "without", "of", "in", "on", "over", "behind", "from", "at", "and", "for", "to", "under", "as"}
IRREGULAR = {
    "man": "men", "woman": "women", "person": "people", "child": "children", "mouse": "mice", "goose": "geese", "foot": "feet",
    "tooth": "teeth", "leaf": "leaves", "knife": "knives", "wolf": "wolves", "ox": "oxen", "fish": "fish", "blowfish": "blowfish",
    "shrimp": "shrimp", "squid": "squid", "deer": "deer", "bison": "bison", "moose": "moose", "scarf": "scarves",
    "snowman": "snowmen", "potato": "potatoes", "tomato": "tomatoes", "mango": "mangoes", "volcano": "volcanoes",
    "superhero": "superheroes", "mosquito": "mosquitoes",
}  # fmt: skip
SINGULAR_S = {"tennis", "rhinoceros"}  # beside those in "ss" and "us"
# Names that are said without "a": stuffs, games, and some others.
MASS = {
    "spaghetti", "broccoli", "garlic", "rice", "bacon", "butter", "salt", "popcorn", "bread", "meat", "money", "fire", "fog",
    "lightning", "water", "food", "wood", "sushi", "soap", "oden", "luggage", "collision", "dizzy", "tornado", "lipstick", "sake",
    "mate", "yarn", "thread", "dango", "custard", "bathtub", "baseball", "softball", "basketball", "volleyball", "football",
    "tennis", "bowling", "cricket", "hockey", "lacrosse", "pong", "badminton",
}  # fmt: skip
SYMBOLS = 8  # Unicode's group of signs
NO_NOUN = {"up", "down", "left", "right", "forward", "hundred", "oclock", "thirty", "polish", "savoring"}  # a name that ends so


def plain(text: str) -> str:
    """A name in lower-case words of a to z and digits: "Côte d’Ivoire" is "cote divoire"."""
    text = unicodedata.normalize("NFKD", text.lower().replace("&", " and "))
    return " ".join(re.findall("[a-z0-9]+", re.sub(r"[^ -~]|['.]", "", text.replace("_", " "))))


def name_of(entry: dict[str, Any]) -> str:
    """The name of an entry of Unicode's list: "man with red hair" for "man: red hair"."""
    name = re.sub(r" \(.*\)", "", entry["label"].lower())
    if entry["label"].lower() == "keycap: #":
        return "number sign keycap"
    if entry["label"].lower() == "keycap: *":
        return "asterisk keycap"
    if match := re.match(r"keycap: (\d+)", name):
        return f"keycap {match[1]}"
    if match := re.match(r"^(man|woman|person): bald$", name):
        return f"bald {match[1]}"
    if match := re.match(r"^(man|woman|person): (.*)$", name):
        return plain(f"{match[1]} with {match[2]}")
    if match := re.match(r"^(family|couple with heart|kiss): (.*)$", name):
        return plain(f"{match[1]} of {match[2]}")
    return plain(name)


def _head(name: str) -> int:
    """Where the noun stands in a name: "face" in "face with tears of joy", "man" in "man dancing"."""
    words = name.split()
    if words[0] in ("man", "woman", "person") and len(words) > 1 and (words[1].endswith("ing") or words[1] in PREPOSITIONS):
        return 0
    return next((i - 1 for i, word in enumerate(words) if word in PREPOSITIONS and i), len(words) - 1)


def _several(noun: str) -> bool:
    return noun in ("people", "men", "women", "children", "feet") or (
        noun.endswith("s") and not noun.endswith(("ss", "us")) and noun not in SINGULAR_S
    )


def article(name: str) -> str:
    """The article, "a" or "an"; empty for a name that takes none: "scissors", "broccoli", "thumbs up"."""
    noun = name.split()[_head(name)]
    if _several(noun) or noun in MASS or name.startswith(("thumbs", "people", "men ", "women ")):
        return ""
    if name.startswith(("uni", "eu", "ewe", "one", "u ", "ufo")):
        return "a"
    return "an" if name[0] in "aeiou" or name.startswith(("hour", "x ray")) else "a"


def plural(name: str, group: int | None = None) -> str:
    """Several of a thing: "faces with tears of joy", "men dancing"; nothing where one does not say it: of stuffs, of what is
    several already, of signs, and where the name is a sentence ("see no evil monkey" has one)."""
    words, i = name.split(), _head(name)
    noun = words[i]
    if group == SYMBOLS or not article(name) or any(c.isdigit() for c in name) or words[-1] in NO_NOUN or noun.endswith("ing"):
        return ""
    if noun in IRREGULAR:
        several = IRREGULAR[noun]
    elif noun.endswith(("s", "x", "z", "ch", "sh")):
        several = noun + "es"
    elif noun.endswith("y") and noun[-2:-1] not in "aeiou":
        several = noun[:-1] + "ies"
    else:
        several = noun + "s"
    return " ".join([*words[:i], several, *words[i + 1 :]])
