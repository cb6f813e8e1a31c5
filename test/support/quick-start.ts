import { registerHooks } from 'node:module';

/**
 * Loaded before anything else in every process that tests start. Node reads the whole package.json anew for each file of a package, to learn what kind of
 * module it is; drizzle-orm has hundreds of files and one of 179 KB, which takes a second of a process's start. So it is told here.
 */
registerHooks({
  resolve(specifier, context, next) {
    if (specifier.startsWith('.') && context.parentURL?.includes('/node_modules/drizzle-orm/'))
      return { url: new URL(specifier, context.parentURL).href, format: 'module', shortCircuit: true };
    return next(specifier, context);
  },
});
