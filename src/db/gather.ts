import pg from 'pg';

/**
 * What is asked for in one turn of the event loop is answered by one statement: under load a read costs a share of a round trip. A read begins after it
 * was asked for, so it sees whatever was committed before. When the statement fails, it fails for all who asked; but where PostgreSQL refuses what one of
 * them has brought, each is answered alone, so that it is refused to that one.
 *
 * `answerAll`: for each that was asked, at most `most` of them, an answer at the same place.
 */
export function gather<Asked, Answer>(
  answerAll: (asked: Asked[]) => Promise<readonly Answer[]>,
  most = 100,
): (asked: Asked) => Promise<Answer> {
  const answer = async (asked: Asked[]): Promise<readonly (Answer | Refused)[]> => {
    try {
      return await answerAll(asked);
    } catch (error) {
      if (asked.length === 1 || !isOfOne(error)) throw error;
      const alone = (one: Asked) =>
        answerAll([one]).then(
          ([own]) => own!,
          (reason: unknown) => new Refused(reason),
        );
      return Promise.all(asked.map(alone));
    }
  };
  let open: { asked: Asked[]; answers: Promise<readonly (Answer | Refused)[]> } | undefined;
  return async (one) => {
    if (open === undefined) {
      const asked: Asked[] = [];
      const begun = new Promise<void>((resolve) => setImmediate(resolve));
      const answers = begun.then(() => {
        if (open?.asked === asked) open = undefined;
        return answer(asked);
      });
      open = { asked, answers };
    }
    const { asked, answers } = open;
    const place = asked.push(one) - 1;
    if (asked.length >= most) open = undefined;
    const own = (await answers)[place]!;
    if (own instanceof Refused) throw own.reason;
    return own;
  };
}

class Refused {
  readonly reason: unknown;
  constructor(reason: unknown) {
    this.reason = reason;
  }
}

/** Of a value or a constraint (classes 22 and 23), not of the server. */
function isOfOne(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    if (cause instanceof pg.DatabaseError) return /^2[23]/.test(cause.code ?? '');
  return false;
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
