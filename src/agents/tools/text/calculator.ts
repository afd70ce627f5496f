import { z } from 'zod';
import { AppError } from '../../../protocol/failures';
import { defineTool } from '../tool';

const MOST_CHARS = 500;
const MOST_DEPTH = 50;
const SIGNIFICANT_DIGITS = 12;

const FUNCTIONS: Readonly<Record<string, (...values: number[]) => number>> = {
  abs: Math.abs,
  sqrt: Math.sqrt,
  round: Math.round,
  floor: Math.floor,
  ceil: Math.ceil,
  min: Math.min,
  max: Math.max,
};

/** Computes what models get wrong. */
export const calculator = defineTool({
  name: 'calculator',
  description:
    'Computes an arithmetic expression: + - * / % ^, brackets, percentages such as 20%, and abs, sqrt, round, floor, ceil, min, max',
  arguments: z.strictObject({
    expression: z.string().min(1).max(MOST_CHARS).describe('Arithmetic expression, such as (12.5 - 3) * 4'),
  }),
  run: ({ expression }) => calculate(expression),
});

/** The value of an arithmetic expression, free of binary noise in its last digits. Throws INPUT_INVALID. */
export function calculate(expression: string): number {
  const value = new Parser(tokensOf(expression)).whole();
  if (!Number.isFinite(value)) throw wrong('the result is not a finite number');
  return Number(value.toPrecision(SIGNIFICANT_DIGITS));
}

function tokensOf(expression: string): string[] {
  const tokens =
    expression.match(
      /\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?(?:e[+-]?\d+)?|\.\d+|[a-z]+|[-+*/%^(),]|\S/gi,
    ) ?? [];
  const odd = tokens.find((token) => !/^(?:[\d.]|[a-z]|[-+*/%^(),]$)/i.test(token));
  if (odd !== undefined) throw wrong(`unexpected ${odd}`);
  return tokens;
}

/** Recursive descent, the loosest operators first. */
class Parser {
  #at = 0;
  #depth = 0;

  constructor(private readonly tokens: readonly string[]) {}

  whole(): number {
    const value = this.#sum();
    const rest = this.tokens[this.#at];
    if (rest !== undefined) throw wrong(`unexpected ${rest}`);
    return value;
  }

  #sum(): number {
    let value = this.#product();
    for (;;) {
      if (this.#take('+')) value += this.#product();
      else if (this.#take('-')) value -= this.#product();
      else return value;
    }
  }

  #product(): number {
    let value = this.#signed();
    for (;;) {
      if (this.#take('*')) value *= this.#signed();
      else if (this.#take('/')) value = divide(value, this.#signed());
      else if (this.#take('%')) value = remainder(value, this.#signed());
      else return value;
    }
  }

  #signed(): number {
    if (this.#take('-')) return -this.#nested(() => this.#signed());
    if (this.#take('+')) return this.#nested(() => this.#signed());
    return this.#power();
  }

  #power(): number {
    const base = this.#percentage();
    return this.#take('^') ? base ** this.#nested(() => this.#signed()) : base;
  }

  /** 20% is 0.2, and 7 % 4 is 3: what follows decides. */
  #percentage(): number {
    const value = this.#atom();
    const next = this.tokens[this.#at + 1];
    const isPercent = this.tokens[this.#at] === '%' && (next === undefined || /^[-+*/^),]$/.test(next));
    if (!isPercent) return value;
    this.#at += 1;
    return value / 100;
  }

  #atom(): number {
    if (this.#take('(')) return this.#bracketed();
    const token = this.tokens[this.#at];
    if (token === undefined) throw wrong('the expression ends too early');
    this.#at += 1;
    if (/^[\d.]/.test(token)) return Number(token.replaceAll(',', ''));
    const name = token.toLowerCase();
    const apply = Object.hasOwn(FUNCTIONS, name) ? FUNCTIONS[name] : undefined;
    if (apply === undefined || !this.#take('(')) throw wrong(`unexpected ${token}`);
    const values = [this.#nested(() => this.#sum())];
    while (this.#take(',')) values.push(this.#nested(() => this.#sum()));
    if (!this.#take(')')) throw wrong('a bracket is not closed');
    return apply(...values);
  }

  #bracketed(): number {
    const value = this.#nested(() => this.#sum());
    if (!this.#take(')')) throw wrong('a bracket is not closed');
    return value;
  }

  #nested(parse: () => number): number {
    this.#depth += 1;
    if (this.#depth > MOST_DEPTH) throw wrong('it is nested too deeply');
    const value = parse();
    this.#depth -= 1;
    return value;
  }

  #take(token: string): boolean {
    if (this.tokens[this.#at] !== token) return false;
    this.#at += 1;
    return true;
  }
}

function divide(value: number, by: number): number {
  if (by === 0) throw wrong('division by zero');
  return value / by;
}

function remainder(value: number, by: number): number {
  if (by === 0) throw wrong('division by zero');
  return value % by;
}

function wrong(why: string): AppError {
  return new AppError('INPUT_INVALID', `cannot compute the expression: ${why}`);
}
