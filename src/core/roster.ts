import type { AgentInfo, AgentVersion } from '../protocol/agent';

/** The members of one run. Status follows from what runs: busy while any execution of the member is under way. */
export class Roster {
  private readonly members = new Map<string, AgentInfo>();
  private readonly busy = new Map<string, number>();

  constructor(agents: readonly AgentVersion[]) {
    for (const { name, agentType, capabilities } of agents)
      this.members.set(name, {
        name,
        agentType,
        capabilities,
        status: 'idle',
        lastHeartbeat: null,
        messageCount: 0,
      });
  }

  started(name: string, at: string): void {
    this.busy.set(name, (this.busy.get(name) ?? 0) + 1);
    this.update(name, { status: 'busy', lastHeartbeat: at });
  }

  ended(name: string, at: string, ok: boolean): void {
    const left = Math.max(0, (this.busy.get(name) ?? 0) - 1);
    this.busy.set(name, left);
    this.update(name, { status: left > 0 ? 'busy' : ok ? 'idle' : 'failed', lastHeartbeat: at });
  }

  /** Puts members where they were when nothing ran. */
  restore(members: readonly AgentInfo[]): void {
    for (const member of members) if (this.members.has(member.name)) this.members.set(member.name, member);
  }

  list(): readonly AgentInfo[] {
    return [...this.members.values()];
  }

  private update(name: string, change: Partial<AgentInfo>): void {
    const member = this.members.get(name);
    if (member !== undefined) this.members.set(name, { ...member, ...change });
  }
}
