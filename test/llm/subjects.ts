import type { HttpProviderOptions } from '../../src/llm/http';
import type { ModelProvider } from '../../src/llm/port';
import { anthropicProvider } from '../../src/llm/providers/anthropic';
import { openAiProvider } from '../../src/llm/providers/openai';
import { openAiCompatibleProvider } from '../../src/llm/providers/openai-compatible';
import type { WireName } from '../support/provider-server/script';
import type { ProviderServer } from '../support/provider-server/server';

/** A key as long and as shapeless as a real one, to look for in what must not hold it. */
export const TEST_KEY = 'sk-test-Zq7Yw2Rk9Lm4Xc1Vb8Nh3Gt6';

/** The provider that speaks a wire format, pointed at a fake server. */
export function providerFor(
  wire: WireName,
  server: ProviderServer,
  options: HttpProviderOptions = {},
): ModelProvider {
  const given = { apiKey: TEST_KEY, timeoutMs: 5_000, ...options };
  if (wire === 'messages') return anthropicProvider({ ...given, baseUrl: server.anthropicUrl });
  if (wire === 'responses') return openAiProvider({ ...given, baseUrl: server.openAiUrl });
  return openAiCompatibleProvider({ ...given, baseUrl: server.openAiUrl });
}
