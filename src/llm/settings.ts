/** The part of the configuration that decides which model is used; `Config` has these keys. */
export interface ModelSettings {
  readonly ENSEMBLE_MODEL_PROVIDER?: string | undefined;
  readonly ENSEMBLE_MODEL?: string | undefined;
  readonly ENSEMBLE_MODEL_TIMEOUT_MS?: number | undefined;
  /** `provider` or `provider:model` each, in the order in which they are tried. */
  readonly ENSEMBLE_MODEL_FALLBACKS?: readonly string[] | undefined;
  readonly ENSEMBLE_PROVIDERS_PATH?: readonly string[] | undefined;
  readonly ENSEMBLE_PRICES_FILE?: string | undefined;
  readonly OPENAI_API_KEY?: string | undefined;
  readonly OPENAI_BASE_URL?: string | undefined;
  readonly ANTHROPIC_API_KEY?: string | undefined;
  readonly ANTHROPIC_BASE_URL?: string | undefined;
}
