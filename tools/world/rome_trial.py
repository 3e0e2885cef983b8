"""Tries rank-one edits on the invented world in plain PyTorch, to see whether its models can be edited.

    python3 tools/world/rome_trial.py --out tests/data/world --family gpt2 --layers 1 2 3 --count 60

For each record and layer l the update is r aT on the down projection. a = C^-1 K (KT C^-1 K)^-1 y with K = [mean key at
the subject's last token over the context rows, key of the bare prompt, key of BOS] and y = [1, 1, 0]; r is searched with
alpha(token) r added at every token, so that the loss is that of the written model. C comes from text the model samples.
Scores: ES, PS, NS compare mean log likelihoods of target and present answer; argmax: the target is the greedy answer.
"""

import argparse
import json
import os

import torch

import measure
from make_world import load_tokenizers
from measure import Rows
from model import load


@torch.no_grad()
def second_moments(model, tokens, generator):
    """C per layer over sampled text, without position 0."""
    length, ff = model.shape.positions, model.shape.ff
    rows = -(-tokens // (length - 1))
    ids = measure.sample(model, rows, length, generator)
    watch = {l: {} for l in range(model.shape.layers)}
    model(ids, watch=watch)
    out = []
    for l in range(model.shape.layers):
        keys = watch[l]["key"][:, 1:].reshape(-1, ff)[:tokens].double()
        out.append(keys.T @ keys / len(keys))
    return out


def sampled_contexts(model, tokenizer, generator):
    texts = []
    for length, count in ((5, 10), (10, 10)):
        for row in measure.sample(model, count, length, generator, top_k=5).tolist():
            texts.append(tokenizer.decode(row[1:]))
    return texts


def last_subject_token(tokenizer, prompt, subject):
    end = prompt.index(subject) + len(subject)
    return len(tokenizer.encode(prompt[:end]).ids) - 1


class Trial:
    def __init__(self, model, tokenizer, records, layer, moment, contexts, options):
        self.model, self.tokenizer, self.records, self.layer, self.options = model, tokenizer, records, layer, options
        self.device = next(model.parameters()).device
        self.contexts = contexts
        ridge = options.ridge * moment.diagonal().mean() * torch.eye(len(moment), dtype=moment.dtype, device=moment.device)
        self.factor = torch.linalg.cholesky(moment + ridge)

    @torch.no_grad()
    def state(self, rows):
        """Residual stream after the layer, keys and values of it, for all rows."""
        watch = {self.layer: {}}
        self.model(rows.ids, watch=watch, at=rows.places[:1])
        return watch[self.layer]

    def prepare(self):
        per, pairs, self.lookup = 1 + len(self.contexts), [], []
        for r in self.records:
            offset = last_subject_token(self.tokenizer, r["prompt"], r["subject"])
            bare_length = len(self.tokenizer.encode(r["prompt"]).ids)
            for text in [None] + self.contexts:
                prompt = r["prompt"] if text is None else text + ". " + r["prompt"]
                pairs.append((prompt, r["target"]))
                end = len(prompt) - len(r["prompt"]) + r["prompt"].index(r["subject"]) + len(r["subject"])
                self.lookup.append(len(self.tokenizer.encode(prompt[:end]).ids) - 1)
            assert self.lookup[-per] == offset < bare_length
        self.rows, self.per = Rows(self.tokenizer, pairs, self.device), per
        self.seen = self.state(self.rows)
        n, lookup = len(self.records), torch.tensor(self.lookup, device=self.device)
        index = torch.arange(len(pairs), device=self.device)
        keys = self.seen["key"][index, lookup].view(n, per, -1).double()
        self.v0 = self.seen["value"][index, lookup].view(n, per, -1)[:, 0]
        bos = self.seen["key"][0, 0].double()
        self.a = torch.empty(n, keys.shape[-1], device=self.device)
        for e in range(n):
            k = torch.stack([keys[e, 1:].mean(0), keys[e, 0], bos], dim=1)
            y = torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64, device=self.device)
            if self.options.keys == "mean":
                k, y = torch.stack([keys[e].mean(0), bos], dim=1), torch.tensor([1.0, 0.0], dtype=torch.float64, device=self.device)
            ck = torch.cholesky_solve(k, self.factor)
            self.a[e] = (ck @ torch.linalg.solve(k.T @ ck, y)).float()
        self.alpha_rows = self.alphas(self.seen["key"], torch.arange(n, device=self.device).repeat_interleave(per))

    def alphas(self, keys, owner):
        return (keys * self.a[owner][:, None, :]).sum(-1)

    def logits(self, rows, seen, owner, alpha, r):
        x = seen["out"] + alpha[..., None] * r[owner][:, None, :]
        return self.model(rows.ids, start=(self.layer + 1, x), at=rows.places)

    def search(self):
        """Searches r of all records at once; returns the steps each took."""
        o, n = self.options, len(self.records)
        owner = torch.arange(n, device=self.device).repeat_interleave(self.per)
        share = torch.full((n, self.per), (1 - o.bare) / (self.per - 1), device=self.device)
        share[:, 0] = o.bare
        norm0 = self.v0.norm(dim=-1, keepdim=True)
        lr = o.lr * norm0 / self.v0.shape[-1] ** 0.5
        r = torch.zeros_like(self.v0, requires_grad=True)
        m, v = torch.zeros_like(r), torch.zeros_like(r)
        best, best_r = torch.full((n,), 1e9, device=self.device), torch.zeros_like(self.v0)
        steps, active = torch.zeros(n), torch.ones(n, dtype=torch.bool, device=self.device)
        base = None
        lookup = torch.tensor(self.lookup, device=self.device).view(n, self.per)[:, 0]
        places = torch.stack([torch.arange(n, device=self.device) * self.per, lookup], dim=1)
        at = torch.cat([self.rows.places, places])
        for step in range(o.steps):
            x = self.seen["out"] + self.alpha_rows[..., None] * r[owner][:, None, :]
            logits = self.model(self.rows.ids, start=(self.layer + 1, x), at=at)
            nll = self.rows.nll(logits[:-n]).view(n, self.per)
            logp = logits[-n:].float().log_softmax(-1)
            base = logp.detach() if base is None else base
            kl = (logp.exp() * (logp - base)).sum(-1)
            loss = (nll * share).sum(1) + o.kl * kl
            with torch.no_grad():
                better = active & (loss < best)
                best = torch.where(better, loss, best)
                best_r[better] = r[better]
                p = (-nll).exp()
                done = (p[:, 0] > o.stop) & (p.mean(1) > o.stop)
                active &= ~done
            if not active.any() or step == o.steps - 1:
                break
            (gradient,) = torch.autograd.grad(loss.sum(), r)
            with torch.no_grad():
                m = 0.9 * m + 0.1 * gradient
                v = 0.999 * v + 0.001 * gradient**2
                change = lr * (m / (1 - 0.9 ** (step + 1))) / ((v / (1 - 0.999 ** (step + 1))).sqrt() + 1e-8)
                r -= change * active[:, None]
                r *= (o.clamp * norm0 / r.norm(dim=-1, keepdim=True).clamp_min(1e-9)).clamp_max(1.0)
                steps += active.cpu()
        self.r = best_r
        return steps

    @torch.no_grad()
    def score(self, groups):
        """groups: per record a list of (prompt, answer that should win, answer that should lose).

        Returns per record the share that wins and the share whose greedy answer is the winner."""
        pairs, owner = [], []
        for e, group in enumerate(groups):
            for prompt, winner, loser in group:
                pairs += [(prompt, winner), (prompt, loser)]
                owner += [e, e]
        if not pairs:
            return [float("nan")] * 2
        rows = Rows(self.tokenizer, pairs, self.device)
        owner = torch.tensor(owner, device=self.device)
        seen = self.state(rows)
        logits = self.logits(rows, seen, owner, self.alphas(seen["key"], owner), self.r)
        nll, right = rows.nll(logits).view(-1, 2), rows.right(logits).view(-1, 2)
        wins = (nll[:, 0] < nll[:, 1]).float()
        means = []
        for values in (wins, right[:, 0]):
            total = torch.zeros(len(groups), device=self.device).index_add(0, owner[::2], values)
            count = torch.zeros(len(groups), device=self.device).index_add(0, owner[::2], torch.ones_like(values))
            means.append((total / count)[count > 0].mean().item())
        return means

    def run(self):
        self.prepare()
        steps = self.search()
        weight = self.model.blocks[self.layer].down.weight
        size = (self.r.norm(dim=-1) * self.a.norm(dim=-1) / weight.norm()).mean().item()
        records = self.records
        es = self.score([[(r["prompt"], r["target"], r["was"])] for r in records])
        ps = self.score([[(p, r["target"], r["was"]) for p in r["paraphrases"]] for r in records])
        ns = self.score([[(q["prompt"], q["answer"], r["target"]) for q in r["neighbours"]] for r in records])
        ss = self.score([[(q["prompt"], q["answer"], r["target"]) for q in r["same_subject"]] for r in records])
        return dict(layer=self.layer, es=es[0], es_argmax=es[1], ps=ps[0], ps_argmax=ps[1], ns=ns[0], ns_argmax=ns[1],
                    same_subject_argmax=ss[1], steps=steps.mean().item(), relative_norm=size)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="tests/data/world")
    parser.add_argument("--family", choices=["gpt2", "llama"], nargs="+", default=["gpt2", "llama"])
    parser.add_argument("--layers", type=int, nargs="+", default=[0, 1, 2, 3, 4, 5, 6])
    parser.add_argument("--begin", type=int, default=0)
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--tokens", type=int, default=0, help="for C; default 10 times the MLP width")
    parser.add_argument("--keys", choices=["context+bare", "mean"], default="context+bare")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--lr", type=float, default=0.5, help="times |v0| / sqrt(d)")
    parser.add_argument("--clamp", type=float, default=4.0, help="times |v0|")
    parser.add_argument("--kl", type=float, default=0.0625)
    parser.add_argument("--bare", type=float, default=0.3, help="weight of the bare prompt in the loss")
    parser.add_argument("--stop", type=float, default=0.99)
    parser.add_argument("--ridge", type=float, default=0.0, help="times trace(C)/m")
    options = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with open(os.path.join(options.out, "edits.jsonl")) as file:
        records = [r for r in map(json.loads, file) if r["known"]][options.begin:options.begin + options.count]
    for family in options.family:
        tokenizer = load_tokenizers(options.out)[family]
        model = load(os.path.join(options.out, family), device)
        generator = torch.Generator().manual_seed(11)
        moments = second_moments(model, options.tokens or 10 * model.shape.ff, generator)
        contexts = sampled_contexts(model, tokenizer, generator)
        print(f"{family}: {len(records)} records, contexts such as {contexts[0]!r}, {contexts[-1]!r}")
        for layer in options.layers:
            if layer < model.shape.layers:
                with torch.no_grad():
                    for p in model.parameters():
                        p.requires_grad_(False)
                result = Trial(model, tokenizer, records, layer, moments[layer], contexts, options).run()
                print("  " + "  ".join(f"{k} {v}" if isinstance(v, int) else f"{k} {v:.3f}" for k, v in result.items()), flush=True)


if __name__ == "__main__":
    main()
