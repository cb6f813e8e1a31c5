import { parseArgs } from 'node:util';

/** `npm run bench -- gemm`, or `npm run bench -- --workload W1 --threads 1 --seconds 2`. */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    workload: { type: 'string' },
    threads: { type: 'string', default: '1' },
    seconds: { type: 'string', default: '2' },
  },
});

if (values.workload !== undefined) {
  const { benchTraining } = await import('./train.ts');
  await benchTraining({ workload: values.workload, threads: Number(values.threads), seconds: Number(values.seconds) });
} else if (positionals[0] === 'gemm') {
  const { benchGemm } = await import('./kernels.ts');
  await benchGemm();
} else {
  console.error('usage: npm run bench -- gemm | --workload W1|W2|W3|W4|W5|W6 [--threads 1] [--seconds 2]');
  process.exitCode = 2;
}
