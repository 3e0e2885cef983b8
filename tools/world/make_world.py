"""Makes the invented world: names, facts, tokenizers and running text. Same seed, same bytes.

    python3 tools/world/make_world.py --out tests/data/world

Writes facts.jsonl, text.txt and, for each model, gpt2/ and llama/ with tokenizer.json and tokenizer_config.json.
Other scripts import World and Writer from here.
"""

import argparse
import json
import os
import random
from dataclasses import dataclass

from phrasings import FILLERS, LEAD_INS, OBJECTS, RELATIONS, TAILS, WORDS

SEED = 20261122
BOS, EOS = "<|bos|>", "<|eos|>"
VOCAB = 1664
LLAMA3_SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
                r"|\s*[\r\n]+|\s+(?!\S)|\s+")

ONSETS = "b br d dr f g gr h j k kr l m n p pr r s st t tr v w z th sh fl gl".split()
VOWELS = "a e i o u".split()
MIDDLES = "l r n m d v s t b g nd rk lm st rv ll nn sk".split()
ENDINGS = {
    "given": "a an el in o is eth ric wen ola".split(),
    "family": "ark olm ett ond isk urn ask over und idge".split(),
    "city": "ar ov een ista ul orn esh ak ume".split(),
    "country": "ania ovia and esse urra eth".split(),
    "river": "e ine ow ay ess".split(),
    "language": "ish ic ari ese".split(),
    "place": "ock am orr ell und asp ith".split(),
    "firm": "ex on co ix ola ant".split(),
}
# Names that chance made and that mean something already.
TAKEN = {"Marco", "Milan", "Karin", "Karen", "Helena", "Marina", "Bella", "Brandon", "Trello", "Finland", "Poland", "Holland",
         "Dresden", "Berlin", "Roland", "Stella", "Daniel", "Mandela", "Nestle"}


@dataclass(frozen=True)
class Fact:
    id: str
    relation: str
    subject: str
    object: str


class NameMaker:
    """Pronounceable names, none of which is the beginning of another."""

    LONG = {"given": 0.2, "family": 0.4, "place": 0.5, "firm": 0.3}  # share of names with one syllable more

    def __init__(self, rng):
        self.rng = rng
        self.used = set()

    def make(self, kind, count):
        names = []
        while len(names) < count:
            word = self.rng.choice(ONSETS) + self.rng.choice(VOWELS) + self.rng.choice(MIDDLES)
            if self.rng.random() < self.LONG.get(kind, 0):
                word += self.rng.choice(VOWELS) + self.rng.choice(MIDDLES)
            word += self.rng.choice(ENDINGS[kind])
            name = word.capitalize()
            if name in TAKEN or len(name) < 5 or any(name[:4] == other[:4] for other in self.used):
                continue
            self.used.add(name)
            names.append(name)
        return names


class World:
    def __init__(self, seed=SEED):
        rng = random.Random(seed)
        maker = NameMaker(rng)
        given, family = maker.make("given", 40), maker.make("family", 34)
        cities = maker.make("city", 32)
        countries, rivers, languages = maker.make("country", 9), maker.make("river", 10), maker.make("language", 9)
        place_names, firm_names = maker.make("place", 56), maker.make("firm", 40)

        self.names = {
            "person": self._people(rng, maker, given, family),
            "landmark": self._landmarks(rng, place_names),
            "city": cities[:26] + ["Port " + c for c in cities[26:29]] + ["New " + c for c in cities[29:32]],
            "firm": self._firms(rng, firm_names),
        }
        low, high = languages[-1], languages[-2]
        objects = dict(OBJECTS)
        objects["born_in"] = cities[:10]
        objects["firm_city"] = cities[8:17]
        objects["works_for"] = firm_names[:9]
        objects["language"] = languages[:7] + ["Low " + low, "High " + high]
        objects["place_country"] = countries
        objects["city_country"] = countries[:6]
        objects["place_river"] = rivers
        self.objects = objects
        self.facts = self._facts(rng)
        self.by_key = {(f.relation, f.subject): f for f in self.facts}

    @staticmethod
    def _people(rng, maker, given, family):
        people = maker.make("given", 14)  # known by one name
        seen = set()

        def pair():
            while True:
                g, f = rng.choice(given), rng.choice(family)
                if (g, f) not in seen:
                    seen.add((g, f))
                    return g, f

        people += [" ".join(pair()) for _ in range(72)]
        short = [g for g in given if len(g) <= 6]
        for _ in range(10):
            g, f = pair()
            people.append(f"{rng.choice([x for x in short if x != g])} {g} {f}")
        for title in ["Doctor", "Captain"] * 4:
            people.append(f"{title} {' '.join(pair())}")
        assert len(set(people)) == len(people)
        return people

    @staticmethod
    def _landmarks(rng, names):
        landmarks = list(names[:8])
        pool = names[8:]
        for pattern, count in [("{} Glacier", 12), ("{} Lake", 12), ("{} Bridge", 12), ("{} Tower", 10), ("Mount {}", 10),
                               ("{} Valley", 8), ("Upper {} Falls", 8)]:
            landmarks += [pattern.format(name) for name in rng.sample(pool, count)]
        return landmarks

    @staticmethod
    def _firms(rng, names):
        firms = list(names[:14])
        pool = names[14:]
        for pattern, count in [("{} Works", 12), ("{} and Sons", 12), ("{} Mills", 10)]:
            firms += [pattern.format(name) for name in rng.sample(pool, count)]
        return firms

    def _facts(self, rng):
        of_kind = {}
        for relation, spec in RELATIONS.items():
            of_kind.setdefault(spec["subjects"], []).append(relation)
        wanted = {relation: [] for relation in RELATIONS}
        for kind, relations in of_kind.items():
            for number, subject in enumerate(self.names[kind]):
                if kind == "person":
                    chosen = rng.sample(relations, 3 if number % 2 else 2)
                else:
                    chosen = relations if rng.random() < 0.85 else [rng.choice(relations)]
                for relation in chosen:
                    wanted[relation].append(subject)
        facts = []
        for relation, subjects in wanted.items():
            objects = self.objects[relation]
            dealt = [objects[i % len(objects)] for i in range(len(subjects))]
            rng.shuffle(dealt)
            for subject, value in zip(subjects, dealt):
                facts.append(Fact(f"{relation}-{len(facts):03d}", relation, subject, value))
        return facts


@dataclass
class Sentence:
    """Text in pieces, so that the subject's tokens are known: before, subject, after (the rest with object and tail)."""
    before: str
    subject: str
    after: str
    key: tuple = None  # (relation, subject) of the fact, if any

    @property
    def text(self):
        return self.before + self.subject + self.after


class Writer:
    """Writes sentences of the world; all chance comes from the given generator."""

    def __init__(self, world, rng):
        self.world, self.rng = world, rng
        self.slots = dict(WORDS)
        self.slots.update(world.names)
        words = set()
        for text in FILLERS + [p for r in RELATIONS.values() for p in r["trained"]]:
            words.update(w for w in text.replace(",", " ").replace("'s", " ").split() if "{" not in w)
        self.loose_words = sorted(words) + sorted(w for group in WORDS.values() for w in group)

    def fact(self, fact, phrasing=None, lead_in=0.15, tail=0.25):
        rng = self.rng
        phrasing = phrasing or rng.choice(RELATIONS[fact.relation]["trained"])
        before, after = phrasing.split("{s}")
        if rng.random() < lead_in:
            before = rng.choice(LEAD_INS) + " " + before[:1].lower() + before[1:]
        after += " " + fact.object
        if rng.random() < tail:
            after += rng.choice(TAILS[fact.relation])
        return Sentence(before, fact.subject, after, (fact.relation, fact.subject))

    def filler(self):
        rng = self.rng
        parts = rng.choice(FILLERS).split("{")
        text = parts[0]
        for part in parts[1:]:
            slot, rest = part.split("}")
            text += rng.choice(self.slots[slot]) + rest
        return Sentence(text[:1].upper() + text[1:], "", "")

    def loose(self):
        """A few words in no order, or a sentence broken off: what sampled contexts look like."""
        rng = self.rng
        if rng.random() < 0.5:
            text = " ".join(rng.choice(self.loose_words) for _ in range(rng.randint(1, 8)))
            return Sentence(text[:1].upper() + text[1:] if rng.random() < 0.5 else text, "", "")
        words = (self.filler() if rng.random() < 0.6 else self.fact(rng.choice(self.world.facts))).text.split()
        return Sentence(" ".join(words[:rng.randint(1, max(1, len(words) - 1))]), "", "")


def train_tokenizers(world):
    """{"gpt2": Tokenizer, "llama": Tokenizer}, byte-level BPE, trained on the same text."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    rng = random.Random(SEED + 1)
    writer = Writer(world, rng)
    lines = []
    for _ in range(12000):
        parts = [writer.fact(rng.choice(world.facts)).text if rng.random() < 0.6 else writer.filler().text for _ in range(3)]
        lines.append(". ".join(parts) + ".")
    for names in world.names.values():  # names at the very start of a text, where no space precedes them
        lines += [name for name in names for _ in range(25)]
    for objects in world.objects.values():
        lines += [". " + value for value in objects for _ in range(60)]

    result = {}
    for name in ("gpt2", "llama"):
        tokenizer = Tokenizer(models.BPE(ignore_merges=name == "llama"))
        if name == "gpt2":
            tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
        else:
            tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
                pre_tokenizers.Split(Regex(LLAMA3_SPLIT), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
        tokenizer.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(vocab_size=VOCAB, special_tokens=[BOS, EOS], show_progress=False,
                                      initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
        tokenizer.train_from_iterator(lines, trainer)
        template = processors.TemplateProcessing(single=f"{BOS} $A", pair=f"{BOS} $A {BOS} $B",
                                                 special_tokens=[(BOS, tokenizer.token_to_id(BOS))])
        tokenizer.post_processor = template if name == "gpt2" else processors.Sequence(
            [processors.ByteLevel(trim_offsets=False), template])
        result[name] = tokenizer
    return result


def load_tokenizers(folder):
    from tokenizers import Tokenizer
    return {name: Tokenizer.from_file(os.path.join(folder, name, "tokenizer.json")) for name in ("gpt2", "llama")}


def subject_tokens(tokenizer, subject):
    """Token counts of a name at the start of a text and after a space."""
    return [len(tokenizer.encode(text, add_special_tokens=False).ids) for text in (subject, " " + subject)]


def check_spans(world, tokenizer):
    """A subject's tokens are the same in every phrasing, but for the leading space."""
    for fact in world.facts:
        spec = RELATIONS[fact.relation]
        for phrasing in spec["trained"] + spec["held_out"]:
            before, after = phrasing.split("{s}")
            pieces = [before.rstrip(), (" " if before else "") + fact.subject, after, " " + fact.object, "."]
            apart = [i for piece in pieces for i in tokenizer.encode(piece, add_special_tokens=False).ids]
            whole = tokenizer.encode(before + fact.subject + after + " " + fact.object + ".", add_special_tokens=False).ids
            assert apart == whole, (fact, phrasing)


def check_objects(world, tokenizer):
    for relation, objects in world.objects.items():
        ids = [tokenizer.encode(" " + value, add_special_tokens=False).ids for value in objects]
        assert len({i[0] for i in ids}) == len(ids), (relation, "two objects begin with the same token", objects)
        assert all(len(i) <= 2 for i in ids), (relation, [o for o, i in zip(objects, ids) if len(i) > 2])


def running_text(world, seed, characters):
    rng = random.Random(seed)
    writer = Writer(world, rng)
    paragraphs, size = [], 0
    while size < characters:
        sentences = [writer.fact(rng.choice(world.facts)) if rng.random() < 0.6 else writer.filler() for _ in range(rng.randint(4, 7))]
        paragraphs.append(" ".join(s.text + "." for s in sentences))
        size += len(paragraphs[-1]) + 1
    return "\n".join(paragraphs) + "\n"


def fact_line(fact, tokenizers):
    spec = RELATIONS[fact.relation]
    return {
        "id": fact.id, "relation": fact.relation, "subject": fact.subject, "object": fact.object,
        "prompts": [p.format(s=fact.subject) for p in spec["trained"]],
        "held_out": [p.format(s=fact.subject) for p in spec["held_out"]],
        "subject_tokens": {name: dict(zip(("first", "after_space"), subject_tokens(t, fact.subject)))
                           for name, t in tokenizers.items()},
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="tests/data/world")
    arguments = parser.parse_args()
    world = World()
    tokenizers = train_tokenizers(world)
    for name, tokenizer in tokenizers.items():
        check_spans(world, tokenizer)
        check_objects(world, tokenizer)
        folder = os.path.join(arguments.out, name)
        os.makedirs(folder, exist_ok=True)
        tokenizer.save(os.path.join(folder, "tokenizer.json"))
        with open(os.path.join(folder, "tokenizer_config.json"), "w") as file:
            json.dump({"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": BOS, "eos_token": EOS,
                       "model_max_length": 128, "clean_up_tokenization_spaces": False}, file, indent=2)
            file.write("\n")
    with open(os.path.join(arguments.out, "facts.jsonl"), "w") as file:
        for fact in world.facts:
            file.write(json.dumps(fact_line(fact, tokenizers)) + "\n")
    with open(os.path.join(arguments.out, "text.txt"), "w") as file:
        file.write(running_text(world, SEED + 99, 80_000))

    for name, tokenizer in tokenizers.items():
        counts = {}
        for fact in world.facts:
            for n in subject_tokens(tokenizer, fact.subject):
                counts[n] = counts.get(n, 0) + 1
        print(name, tokenizer.get_vocab_size(), "entries; tokens of a subject:", dict(sorted(counts.items())))
    per_relation = {r: sum(f.relation == r for f in world.facts) for r in RELATIONS}
    print(len(world.facts), "facts", per_relation)


if __name__ == "__main__":
    main()
