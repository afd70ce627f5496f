import type { Browser, Page } from 'playwright-core';
import { anAgent } from '../support/agents';
import { browserPath, openBrowser } from '../support/browser';
import { startTeam, type Team } from '../support/team';

const uiUrl = process.env['ENSEMBLE_TEST_TEMPORAL_UI_URL'];
const missing =
  browserPath === undefined
    ? 'no Chromium on this machine (apt-get install chromium)'
    : uiUrl
      ? undefined
      : 'Temporal runs without its Web UI';
const suite = missing === undefined ? describe : describe.skip;

suite(missing === undefined ? 'the Web UI' : `the Web UI (skipped: ${missing})`, () => {
  let team: Team;
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    team = await startTeam([
      anAgent('reader', () => 'read'),
      anAgent('writer', () => 'written'),
      anAgent('clumsy', () => {
        throw new Error('dropped it');
      }),
    ]);
    browser = await openBrowser();
    page = await browser.newPage({ viewport: { width: 1400, height: 1100 } });
  });
  afterAll(async () => {
    await browser.close();
    await team[Symbol.asyncDispose]();
  });

  test('shows what a run is, how its agents stand, and what was done instead of one that failed', async () => {
    const { workflowId, runId } = await team.client.start({
      task: 'Show it',
      plan: {
        type: 'sequence',
        steps: [
          { type: 'agent', agent: 'reader' },
          { type: 'agent', agent: 'clumsy', retry: { maxAttempts: 1 }, onFailure: 'skip' },
          { type: 'agent', agent: 'writer' },
        ],
      },
    });
    await team.client.result(runId);
    await page.goto(`${uiUrl}/namespaces/default/workflows/${workflowId}`);
    await page.getByText('reader → clumsy → writer').first().waitFor();
    const text = await untilText(page, /dropped it/);
    expect(text).toMatch(/Completed/);
    for (const part of ['teamRun', 'reader 1.0.0', 'clumsy 1.0.0', 'writer 1.0.0'])
      expect(text).toContain(part);
    await page.goto(
      `${uiUrl}/namespaces/default/workflows/${workflowId}/${await runIdOf(workflowId)}/user-metadata`,
    );
    const details = await untilText(page, /Run completed/);
    expect(details).toMatch(/step\s+agent\s+status/);
    expect(details).toMatch(/2\s+clumsy\s+failed/);
    expect(details).toMatch(/clumsy skipped: AGENT_FAILED/);
    if (process.env['UPDATE_DOCS'] === '1') await page.screenshot({ path: 'docs/images/web-ui-details.png' });
    await page.goto(
      `${uiUrl}/namespaces/default/workflows/${workflowId}/${await runIdOf(workflowId)}/search-attributes`,
    );
    const attributes = await untilText(page, /EnsembleStrategy/);
    expect(attributes).toMatch(/EnsembleStrategy[\s\S]*sequence/);
    await page.goto(`${uiUrl}/namespaces/default/workflows/${workflowId}`);
    await page.getByText('reader → clumsy → writer').first().waitFor();
    if (process.env['UPDATE_DOCS'] === '1') await page.screenshot({ path: 'docs/images/web-ui.png' });
  });

  async function runIdOf(workflowId: string): Promise<string> {
    return (await team.temporal.workflow.getHandle(workflowId).describe()).runId;
  }
});

async function untilText(page: Page, pattern: RegExp): Promise<string> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    // Markdown is shown in frames of its own.
    const texts = await Promise.all(
      page.frames().map((frame) =>
        frame
          .locator('body')
          .innerText()
          .catch(() => ''),
      ),
    );
    const text = texts.join('\n');
    if (pattern.test(text)) return text;
    if (Date.now() > deadline) throw new Error(`${pattern} is not in:\n${text}`);
    await page.waitForTimeout(250);
  }
}
