// Which checkpoints people look for: the best of each phase, and the newest of all.

/**
 * Splits checkpoints into those to show and the others, later phases first.
 *
 * @param {object[]} checkpoints as the API orders them
 * @returns {{first: object[], others: object[]}}
 */
export function ordered(checkpoints) {
  const phases = [...new Set(checkpoints.map(({ phase }) => phase))].reverse();
  const sorted = phases.flatMap((phase) =>
    checkpoints
      .filter((one) => one.phase === phase)
      .sort((one, other) => other.best - one.best || other.iteration - one.iteration),
  );
  const newest = sorted.find(({ best }) => !best);
  const shown = (one) => one.best || one.in_service || one === newest;
  return { first: sorted.filter(shown), others: sorted.filter((one) => !shown(one)) };
}
