// Which figures belong into which plot, and how they are written.

import { figure, hundredfold, size } from "./words.js";

/** Whether a figure is one of captions, which papers quote times a hundred. */
export function isMetric(name) {
  return /^(CIDEr|BLEU|ROUGE|METEOR|SPICE)/.test(name);
}

/** Fine enough for an axis that spans little. */
const gigabytes = (bytes) => `${(bytes / 1e9).toFixed(2)} GB`;
const percent = (value) => `${Math.round(value)} %`;

/** In the order of the page. A name belongs to the first kind that takes it. */
const KINDS = [
  { title: "Loss", names: ["loss", "validation_loss"], format: figure },
  {
    title: "Caption metrics",
    takes: isMetric,
    format: hundredfold,
    noLog: true,
  },
  { title: "Reward", names: ["reward", "baseline"], format: figure },
  { title: "Learning rate", names: ["learning_rate"], format: figure, exact: true },
  { title: "Items per second", names: ["per_second"], format: figure },
  { title: "Gradient norm", names: ["gradient_norm"], format: figure },
  { title: "Processors", names: ["cpu_percent", "gpu_percent"], format: percent, noLog: true, top: 100 },
  { title: "Memory", names: ["memory_bytes", "gpu_memory_bytes"], format: size, onAxis: gigabytes, noLog: true },
];

const LABELS = {
  loss: "loss",
  validation_loss: "validation loss",
  learning_rate: "learning rate",
  gradient_norm: "gradient norm",
  per_second: "items/s",
  cpu_percent: "CPU",
  gpu_percent: "GPU",
  memory_bytes: "memory",
  gpu_memory_bytes: "GPU memory",
};

export const nameText = (name) => LABELS[name] ?? name.replaceAll("_", " ");

/** The kinds that these names need, each with its names in order. */
export function kindsOf(names) {
  const left = new Set(names);
  const kinds = KINDS.map((kind) => {
    const own = kind.names ? kind.names.filter((name) => left.has(name)) : [...left].filter(kind.takes);
    for (const name of own) left.delete(name);
    return { ...kind, names: own };
  });
  const others = [...left].map((name) => ({ title: nameText(name), names: [name], format: figure }));
  return [...kinds, ...others].filter(({ names: own }) => own.length > 0);
}
