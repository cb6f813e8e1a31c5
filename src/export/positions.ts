/** (steps, width): sine and cosine side by side, wavelengths from 2π to 10,000·2π (Vaswani et al. 2017) */
export function sinusoids(steps: number, width: number): Float32Array {
  return Float32Array.from({ length: steps * width }, (_, i) => {
    const column = i % width;
    const angle = Math.floor(i / width) / 10_000 ** ((column - (column % 2)) / width);
    return column % 2 === 0 ? Math.sin(angle) : Math.cos(angle);
  });
}
