// A caption's score as pages write it.

const OF_THE_MODEL =
  "Mean log-probability per token: the closer to 0, the likelier the model finds its words. It is no accuracy.";
const OF_A_PERSON = "These words were written or chosen by a person.";

const number = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });

/** "score −0.61", with a real minus sign. */
export const scoreText = (score) => `score ${number.format(score).replace("-", "\u2212")}`;

/** The score; where the words are not the model's best, that. */
export function showScore(element, { edited_at: edited, score }) {
  element.textContent = edited ? "edited" : scoreText(score);
  element.title = edited ? OF_A_PERSON : OF_THE_MODEL;
}
