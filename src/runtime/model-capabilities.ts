import type { Config } from '../config';
import { selectProvider } from '../llm/factory';

/** What the configured OpenAI-compatible server takes and does not take, in one line. Throws MODEL_* and CONFIG_INVALID. */
export async function describeCapabilities(config: Config, signal: AbortSignal): Promise<string> {
  const settings = { ...config, ENSEMBLE_MODEL_PROVIDER: 'openai-compatible', ENSEMBLE_MODEL_FALLBACKS: [] };
  const { provider } = selectProvider(settings);
  const capabilities = Object.entries((await provider.capabilities?.({ signal })) ?? {});
  const named = (taken: boolean): string => {
    const names = capabilities.filter(([, takes]) => takes === taken).map(([name]) => name);
    return names.length === 0 ? 'nothing' : names.join(', ');
  };
  return `${provider.model} takes ${named(true)}; refuses ${named(false)}`;
}
