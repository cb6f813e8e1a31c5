/**
 * What is asked for in one turn of the event loop is answered by one statement: under load a read costs a share of a round trip. A read begins after it
 * was asked for, so it sees whatever was committed before. When the statement fails, it fails for all who asked.
 *
 * `answerAll`: for each that was asked, at most `most` of them, an answer at the same place.
 */
export function gather<Asked, Answer>(
  answerAll: (asked: Asked[]) => Promise<readonly Answer[]>,
  most = 100,
): (asked: Asked) => Promise<Answer> {
  let open: { asked: Asked[]; answers: Promise<readonly Answer[]> } | undefined;
  return async (one) => {
    if (open === undefined) {
      const asked: Asked[] = [];
      const begun = new Promise<void>((resolve) => setImmediate(resolve));
      const answers = begun.then(() => {
        if (open?.asked === asked) open = undefined;
        return answerAll(asked);
      });
      open = { asked, answers };
    }
    const { asked, answers } = open;
    const place = asked.push(one) - 1;
    if (asked.length >= most) open = undefined;
    return (await answers)[place]!;
  };
}

/** Rows of tenants by id, read by `select` of those that it is told: the tenant and the id of each, at the same places. */
export function gatherById<Row extends { tenant: string; id: string }>(
  select: (asked: { tenants: string[]; ids: string[] }) => Promise<Row[]>,
): (asked: Pick<Row, 'tenant' | 'id'>) => Promise<Row | null> {
  return gather(async (asked) => {
    const rows = await select({ tenants: asked.map(({ tenant }) => tenant), ids: asked.map(({ id }) => id) });
    const byId = new Map(rows.map((row) => [row.id, row]));
    return asked.map(({ tenant, id }) => {
      const row = byId.get(id);
      return row?.tenant === tenant ? row : null;
    });
  });
}

/** What is made once for each database: a statement, or reads that are gathered. */
export function oncePer<Owner extends object, Made>(make: (owner: Owner) => Made): (owner: Owner) => Made {
  const made = new WeakMap<Owner, Made>();
  return (owner) => {
    let own = made.get(owner);
    if (own === undefined) {
      own = make(owner);
      made.set(owner, own);
    }
    return own;
  };
}
