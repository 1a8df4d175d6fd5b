"""Writes sampler/expected.safetensors: probabilities behind the logits processors of transformers.

    python make_sampler.py

Each case: logits F32 [V], the ids before, settings (in the metadata), and the probabilities F32 [V] that
transformers' processors leave, in the order in which its generate() applies them. Needs: pip install torch==2.13.0 transformers==5.23.0 safetensors==0.8.0
"""

import json
import os

import torch
import transformers
from safetensors.torch import save_file
from transformers import generation as hf

CASES = [
    dict(temperature=0.7),
    dict(temperature=1.0, top_k=20),
    dict(temperature=1.3, top_p=0.8),
    dict(temperature=1.0, min_p=0.1),
    dict(temperature=1.0, typical_p=0.6),
    dict(temperature=0.9, top_k=100, top_p=0.9, min_p=0.02, typical_p=0.9),
    dict(temperature=2.0, top_p=0.95, typical_p=0.3),
    dict(temperature=1.0, repeat_penalty=1.4),
    dict(temperature=0.8, repeat_penalty=0.7, top_k=50, min_p=0.05),
]


def processors(case):
    found = hf.LogitsProcessorList()
    if "repeat_penalty" in case:
        found.append(hf.RepetitionPenaltyLogitsProcessor(case["repeat_penalty"]))
    found.append(hf.TemperatureLogitsWarper(case["temperature"]))
    if "top_k" in case:
        found.append(hf.TopKLogitsWarper(case["top_k"]))
    if "top_p" in case:
        found.append(hf.TopPLogitsWarper(case["top_p"]))
    if "min_p" in case:
        found.append(hf.MinPLogitsWarper(case["min_p"]))
    if "typical_p" in case:
        found.append(hf.TypicalLogitsWarper(case["typical_p"]))
    return found


def main():
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "sampler")
    os.makedirs(folder, exist_ok=True)
    tensors = {}
    for index, case in enumerate(CASES):
        generator = torch.Generator().manual_seed(100 + index)
        logits = 2.5 * torch.randn(211, generator=generator)
        history = torch.randint(0, 211, (30,), generator=generator)
        scores = processors(case)(history[None], logits[None].double())[0]
        tensors[f"{index}.logits"] = logits
        tensors[f"{index}.history"] = history.to(torch.int32)
        tensors[f"{index}.probabilities"] = torch.softmax(scores, -1).float()
    metadata = {"cases": json.dumps(CASES),
                "made_by": f"make_sampler.py, torch {torch.__version__}, transformers {transformers.__version__}"}
    save_file(tensors, os.path.join(folder, "expected.safetensors"), metadata)


if __name__ == "__main__":
    main()
