export class NoKeyError extends Error {
  constructor() {
    super(
      'A key is asked for (AUTH=keys, the default where other machines can reach HOST), and there is none yet. Make the first with `npm run keys -- create`, or say AUTH=open if something in front guards the service.',
    );
  }
}
