import type { BlobRef, Json } from '../../protocol/json';

type Load = (tenantId: string, ref: BlobRef) => Promise<Json>;

/**
 * Documents that many want a part of, one after another: read once for all who wait for it, and kept as long as memory
 * allows. Nobody may change what they are given.
 */
export class Documents {
  private readonly kept = new Map<string, WeakRef<object>>();
  private readonly loading = new Map<string, Promise<Json>>();
  private readonly gone = new FinalizationRegistry<string>((key) => {
    if (this.kept.get(key)?.deref() === undefined) this.kept.delete(key);
  });

  constructor(private readonly load: Load) {}

  get(tenantId: string, ref: BlobRef): Promise<Json> {
    const key = `${tenantId}/${ref.blob}`;
    const kept = this.kept.get(key)?.deref();
    if (kept !== undefined) return Promise.resolve(kept as Json);
    const loading = this.loading.get(key) ?? this.read(key, tenantId, ref);
    this.loading.set(key, loading);
    return loading;
  }

  private async read(key: string, tenantId: string, ref: BlobRef): Promise<Json> {
    try {
      const json = await this.load(tenantId, ref);
      if (typeof json === 'object' && json !== null) {
        this.kept.set(key, new WeakRef(json));
        this.gone.register(json, key);
      }
      return json;
    } finally {
      this.loading.delete(key);
    }
  }
}
