import { describe, expect, it } from 'vitest';
import { ConfigError, readConfig } from '../src/config.ts';

describe('where files lie', () => {
  it.each([
    [{ DATA_DIR: '/srv/yard' }, '/srv/yard/storage'],
    [{ STORAGE_URL: 'file:///srv/my%20files%23' }, '/srv/my files#'],
    [{ DATA_DIR: '/srv/yard', STORAGE_URL: '' }, '/srv/yard/storage'],
  ])('%j: %s', (environment, folder) => {
    expect(readConfig(environment).storageDir).toBe(folder);
  });

  it.each([
    ['s3://bucket', /must be a URL that starts with file:\/\//],
    ['file://server/files', /must name a folder of this machine, like file:\/\/\/data/],
    ['file:///a%zz', /must name a folder of this machine/],
    ['file:///a%2Fb', /must name a folder of this machine/],
  ])('%s is refused', (STORAGE_URL, message) => {
    expect(() => readConfig({ STORAGE_URL })).toThrow(ConfigError);
    expect(() => readConfig({ STORAGE_URL })).toThrow(message);
  });
});

it('everything that is wrong is told at once, with its name', () => {
  const environment = { PORT: '70000', WORKERS: '-1', AUTH: 'no', LOG_LEVEL: 'loud', TRUST_PROXY: '10.0.0.0/33' };
  const message = () => {
    try {
      readConfig(environment);
      return '';
    } catch (error) {
      return (error as Error).message;
    }
  };
  for (const name of Object.keys(environment)) expect(message()).toContain(name);
});
