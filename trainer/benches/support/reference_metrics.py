"""The reference for the metrics bench: pycocoevalcap 1.2 (pip install pycocoevalcap, and Java).

Reads the captions from the JSON file that it is given, then repeats on every line of standard input
what the line says, and answers with a line when it is done.
"""
import contextlib
import json
import os
import sys

import numpy
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.cider.cider_scorer import CiderScorer
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

with open(sys.argv[1]) as file:
    data = json.load(file)


def metrics():
    """Tokenising, BLEU, ROUGE-L and CIDEr-D."""
    tokenizer = PTBTokenizer()
    references = {i: [{"caption": text} for text in item["references"]] for i, item in enumerate(data["captions"])}
    candidates = {i: [{"caption": item["candidate"]}] for i, item in enumerate(data["captions"])}
    references, candidates = tokenizer.tokenize(references), tokenizer.tokenize(candidates)
    bleu, _ = Bleu(4).compute_score(references, candidates, verbose=0)
    rouge, _ = Rouge().compute_score(references, candidates)
    cider, _ = Cider().compute_score(references, candidates)
    return [*bleu, rouge, cider]


class Reward(CiderScorer):
    """The original's scorer: the document frequencies of the training captions stay."""

    def __init__(self, training):
        super().__init__()
        for references in training:
            self.cook_append(None, references)
        self.compute_doc_freq()

    def rewards(self, sampled, references):
        self.crefs, self.ctest = [], []
        for caption, texts in zip(sampled, references):
            self.cook_append(caption, texts)
        return self.compute_cider()


reward = Reward(data["training"])
sampled = [caption for captions in data["sampled"] for caption in captions]
sampled_references = [
    data["training"][image] for image, captions in zip(data["images"], data["sampled"]) for _ in captions
]

answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
print("ready", file=answers, flush=True)
for line in sys.stdin:
    with contextlib.redirect_stdout(sys.stderr):
        if line.strip() == "metrics":
            figures = metrics()
        else:
            figures = [float(numpy.mean(reward.rewards(sampled, sampled_references)))]
    print(json.dumps([float(figure) for figure in figures]), file=answers, flush=True)
