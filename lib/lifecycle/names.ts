import { randomInt } from 'node:crypto';

const ADJECTIVES =
  `agile amber ample azure bold brave breezy bright brisk calm candid cheery clever cosy crisp curious
daring deft dewy eager early earnest easy fair fleet fond frank fresh gentle glad golden grand green happy hardy hazel
honest humble jolly keen kind lively loyal lucid lucky mellow merry mild mossy neat nimble noble open patient placid plain
plucky polite proud quick quiet ready robust rosy rustic serene sharp shiny silent simple sleek smart snug sober spry steady
still sturdy sunny swift tidy tranquil trusty upbeat vivid warm wise witty young zesty`.split(/\s+/);

const SEEDS =
  `acorn almond anise barley basil bean borlotti buckwheat cacao caraway cardamom cashew chestnut chia chickpea
clover coffee coriander cotton cowpea cumin dill durian edamame einkorn emmer fava fennel fenugreek flax garbanzo guar hazelnut
hemp hickory jicama kidney lentil lima linseed lotus lupin maize mesquite millet mung mustard nigella nutmeg oat okra peanut
pecan pepper pigeonpea pine pinto pistachio poppy pumpkin quinoa rapeseed rice rye safflower sesame soybean spelt sunflower
tamarind teff vanilla vetch walnut wheat`.split(/\s+/);

/** A random name for a container that was given none, e.g. `brave_lentil`. */
export function randomName(): string {
  const pick = (words: string[]): string => words[randomInt(words.length)] ?? 'seed';
  return `${pick(ADJECTIVES)}_${pick(SEEDS)}`;
}
