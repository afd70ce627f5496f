import { bundleWorkflows } from '../src/runtime/bundle';

test('the workflow bundle builds, stays small, and holds neither zod nor anything that touches the world', async () => {
  const code = await bundleWorkflows();
  const modules = code.slice(0, code.indexOf('//# sourceMappingURL'));
  expect(code.length).toBeLessThan(2_750_000);
  expect(modules).not.toMatch(/node_modules\/(zod|drizzle-orm|pg|openai|@anthropic-ai)\//);
}, 60_000);
