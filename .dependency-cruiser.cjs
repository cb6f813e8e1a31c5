/** The architecture's rules: which room may use which. `npm run architecture` checks them. */
const only = (name, from, allowed, comment) => ({
  name,
  comment,
  severity: 'error',
  from: { path: `^src/${from}` },
  to: { path: '^src/', pathNot: [`^src/${from}`, ...allowed.map((room) => `^src/${room}`)] },
});

module.exports = {
  forbidden: [
    { name: 'no-circles', severity: 'error', from: {}, to: { circular: true } },
    { name: 'no-unresolved', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'no-development-packages',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-dev'] },
    },
    only('engine-imports-nothing-of-ours', 'engine/', [], 'The engine can be used, tested and measured as a library.'),
    only('spec-is-the-vocabulary', 'spec/', [], 'Everything may speak it; it knows nobody.'),
    only('storage', 'storage/', ['spec/']),
    only('db', 'db/', ['spec/']),
    only('data', 'data/', ['storage/', 'spec/']),
    only('checkpoints', 'checkpoints/', ['storage/', 'spec/', 'engine/']),
    only(
      'export',
      'export/',
      ['checkpoints/', 'data/', 'storage/', 'spec/'],
      'Written from the spec: a format says what a layer is, and not how the engine computes it.',
    ),
    only('outbound', 'outbound/', [], 'Whoever calls addresses that clients gave goes through it.'),
    only('webhooks', 'webhooks/', ['db/', 'outbound/', 'spec/', 'observability/']),
    only('retention', 'retention/', ['db/', 'storage/', 'spec/', 'observability/']),
    only('jobs', 'jobs/', ['db/', 'spec/', 'observability/']),
    only(
      'api',
      'api/',
      ['jobs/', 'data/', 'checkpoints/', 'db/', 'storage/', 'outbound/', 'spec/', 'observability/', 'config'],
      'The API never computes.',
    ),
    only('worker', 'worker/', [
      'jobs/',
      'data/',
      'checkpoints/',
      'db/',
      'storage/',
      'spec/',
      'observability/',
      'engine/',
    ]),
    {
      name: 'api-never-reaches-the-engine',
      severity: 'error',
      from: { path: '^src/api/' },
      to: { path: '^src/engine/', reachable: true },
    },
    {
      name: 'only-jobs-imports-bullmq',
      severity: 'error',
      from: { pathNot: '^src/jobs/' },
      to: { path: 'node_modules/(bullmq|ioredis)' },
    },
    {
      name: 'wiring-only-in-main',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/main/' },
      to: { path: '^src/main/' },
    },
  ],
  options: {
    parser: 'swc',
    doNotFollow: { path: 'node_modules' },
    exclude: { path: 'src/engine/kernels/wasm' },
    enhancedResolveOptions: {
      extensions: ['.ts', '.js', '.json'],
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};
