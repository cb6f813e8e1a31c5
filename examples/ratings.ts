import type { Job } from '../src/spec/job.ts';
import { say } from './client.ts';
import { openDraw, predict, type Row, readVega, shuffle, uploadRows } from './rows.ts';

/**
 * Who likes which film? No ratings of people could be had in a package, so these are made: films, their genres and IMDB ratings are real (vega-datasets);
 * each of 600 made-up people likes and dislikes some genres, and rates 40 films by the film's rating, its genre and a whim. What is learnt is
 * each person's and each film's place among the others, from nothing but who rated what how.
 */

const PEOPLE = 600;
const FILMS = 400;
const RATED = 40;
/** standard deviations of a person's taste for a genre, and of a whim: nobody can foresee the second */
const TASTE = 1.5;
const WHIM = 0.5;

interface Film {
  title: string;
  genre: string;
  rating: number;
}

function readFilms(): Film[] {
  const all = JSON.parse(readVega('movies.json')) as Record<string, unknown>[];
  return all
    .filter((film) => film['IMDB Rating'] !== null && film['Major Genre'] !== null && Number(film['IMDB Votes']) > 5000)
    .slice(0, FILMS)
    .map((film) => ({
      title: String(film.Title),
      genre: String(film['Major Genre']),
      rating: Number(film['IMDB Rating']),
    }));
}

function makeRatings(): Row[] {
  const draw = openDraw(1);
  // Box & Muller 1958
  const normal = () => Math.sqrt(-2 * Math.log(draw())) * Math.cos(2 * Math.PI * draw());
  const films = readFilms();
  const genres = [...new Set(films.map(({ genre }) => genre))];
  const rows = Array.from({ length: PEOPLE }, (_, person) => {
    const taste = new Map(genres.map((genre) => [genre, TASTE * normal()]));
    return shuffle([...films.keys()], draw)
      .slice(0, RATED)
      .map((film) => ({
        person: `p${person}`,
        film: `f${film}`,
        rating: Number((films[film]!.rating + taste.get(films[film]!.genre)! + WHIM * normal()).toFixed(1)),
      }));
  }).flat();
  return shuffle<Row>(rows, draw);
}

export function uploadRatings(api: string): Promise<string> {
  const rows = makeRatings();
  say(`Uploading ${rows.length.toLocaleString('en-US')} made-up ratings of real films to ${api}/datasets …`);
  return uploadRows(api, 'ratings', rows);
}

export async function showRatings(api: string, { id, metrics }: Job): Promise<void> {
  say(
    `\nRatings that the network never saw: rmse ${Number(metrics['test.rmse']).toFixed(3)}; a whim alone is ${WHIM}, ` +
      `and whoever knows but the films' own ratings is wrong by ${Math.hypot(TASTE, WHIM).toFixed(2)}.`,
  );
  const films = readFilms();
  const rows = films.map((_, film) => ({ person: 'p7', film: `f${film}` }));
  const answers = await predict<{ rating: number }>(api, id, rows);
  const best = [...films.keys()].sort((a, b) => answers[b]!.rating - answers[a]!.rating).slice(0, 5);
  say('For person 7:');
  for (const film of best) say(`  ${answers[film]!.rating.toFixed(1)}  ${films[film]!.title} (${films[film]!.genre})`);
}
