"""Token rows of prompts, and what a model makes of them: recall, likelihoods, samples."""

import torch


class Rows:
    """Right-padded rows of BOS + prompt + answer[:-1], with the places where the answer is predicted."""

    def __init__(self, tokenizer, pairs, device="cpu"):
        """pairs: (prompt, answer) texts; the answer's ids are those of " " + answer, apart from the prompt's."""
        rows, places, labels = [], [], []
        for n, (prompt, answer) in enumerate(pairs):
            ids = tokenizer.encode(prompt).ids
            answer_ids = tokenizer.encode(" " + answer, add_special_tokens=False).ids
            places += [(n, len(ids) - 1 + j) for j in range(len(answer_ids))]
            labels += answer_ids
            rows.append(ids + answer_ids[:-1])
        self.lengths = [len(r) for r in rows]
        width = max(self.lengths)
        self.ids = torch.tensor([r + [0] * (width - len(r)) for r in rows], device=device)
        self.places = torch.tensor(places, device=device)
        self.labels = torch.tensor(labels, device=device)
        self.count = len(pairs)

    def per_row(self, values, reduce):
        """Reduces values of places to one value a row: mean or min."""
        out = torch.zeros(self.count, device=values.device) if reduce == "mean" else torch.ones(self.count, device=values.device)
        return out.scatter_reduce(0, self.places[:, 0], values.float(), "mean" if reduce == "mean" else "amin",
                                  include_self=reduce != "mean")

    def nll(self, logits):
        """Mean negative log likelihood of the answer's tokens; logits at self.places."""
        picked = logits.float().log_softmax(-1).gather(1, self.labels[:, None])[:, 0]
        return self.per_row(-picked, "mean")

    def right(self, logits):
        """1 where every token of the answer is the argmax."""
        return self.per_row(logits.argmax(-1) == self.labels, "min")


@torch.no_grad()
def recall(model, tokenizer, pairs, batch=512):
    """Per pair (first token right, all tokens right), as two bool lists."""
    device = next(model.parameters()).device
    order = sorted(range(len(pairs)), key=lambda i: len(pairs[i][0]))
    first, whole = [False] * len(pairs), [False] * len(pairs)
    for begin in range(0, len(order), batch):
        chosen = order[begin:begin + batch]
        rows = Rows(tokenizer, [pairs[i] for i in chosen], device)
        hits = model(rows.ids, at=rows.places).argmax(-1) == rows.labels
        whole_row = rows.per_row(hits, "min").bool().tolist()
        seen = set()
        for (n, _), hit in zip(rows.places.tolist(), hits.tolist()):
            if n not in seen:
                first[chosen[n]] = hit
                seen.add(n)
        for n, i in enumerate(chosen):
            whole[i] = whole_row[n]
    return first, whole


@torch.no_grad()
def sample(model, rows, length, generator, top_k=None, bos=0):
    """[rows, length] ids that begin with BOS, drawn at temperature 1."""
    device = next(model.parameters()).device
    ids = torch.full((rows, 1), bos, device=device)
    while ids.shape[1] < length:
        last = torch.tensor([[r, ids.shape[1] - 1] for r in range(rows)], device=device)
        logits = model(ids, at=last).float()
        if top_k:
            logits = logits.masked_fill(logits < logits.topk(top_k).values[:, -1:], -1e30)
        nxt = torch.multinomial(logits.softmax(-1).cpu(), 1, generator=generator).to(device)
        ids = torch.cat([ids, nxt], dim=1)
    return ids


def fact_prompts(world, contexts, rng):
    """{(trained|held_out, bare|after text): [(prompt, object)]} over all facts, with the facts in order."""
    from phrasings import RELATIONS
    out = {}
    for kind in ("trained", "held_out"):
        for where in ("bare", "after text"):
            pairs = []
            for fact in world.facts:
                for phrasing in RELATIONS[fact.relation][kind]:
                    prompt = phrasing.format(s=fact.subject)
                    if where == "after text":
                        prompt = contexts(rng) + ". " + prompt
                    pairs.append((prompt, fact.object))
            out[kind, where] = pairs
    return out
