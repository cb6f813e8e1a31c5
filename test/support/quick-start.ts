import { registerHooks } from 'node:module';

/**
 * Loaded before anything else in every process that tests start. To learn what kind of module a file of a package is, Node looks for it, and reads the
 * whole package.json anew; drizzle-orm has hundreds of files and a package.json of 179 KB, which takes a second of a process's start, and typebox
 * hundreds of files in every thread. So it is told here.
 */
registerHooks({
  resolve(specifier, context, next) {
    const { parentURL } = context;
    if (specifier.startsWith('.') && parentURL?.includes('/node_modules/')) {
      if (specifier.endsWith('.mjs') || parentURL.includes('/node_modules/drizzle-orm/'))
        return { url: new URL(specifier, parentURL).href, format: 'module', shortCircuit: true };
    }
    return next(specifier, context);
  },
});
