import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import ts from 'typescript';
import { ROOT } from './markdown.js';
import type { Program } from './programs.js';

/** One for each run, so that runs at the same time do not meet. */
const FOLDER = join(ROOT, '.cache/docs-snippets', String(process.pid));
const SOURCES = join(FOLDER, 'src');
const OUT = join(FOLDER, 'out');

/**
 * Where the programs of the documentation are built: on the sources of the library, so that no build has to go before,
 * and with the compiler options of the repository.
 */
export class Workshop {
  readonly #programs: ReadonlyMap<string, Program>;
  readonly #compiled: ts.Program;

  constructor(programs: readonly Program[]) {
    this.#programs = new Map(programs.map((program) => [join(SOURCES, program.path), program]));
    for (const [file, { text }] of this.#programs) write(file, text);
    write(join(FOLDER, 'tsconfig.json'), JSON.stringify(CONFIG, null, 2));
    this.#compiled = ts.createProgram({ rootNames: [...this.#programs.keys()], options: readOptions() });
  }

  /** What the compiler has to say of the programs, each with the page and line it stands on. */
  problems(): readonly string[] {
    return [...this.#programs].flatMap(([file, program]) => {
      const source = this.#compiled.getSourceFile(file);
      const found = [
        ...this.#compiled.getSyntacticDiagnostics(source),
        ...this.#compiled.getSemanticDiagnostics(source),
      ];
      return found.map((diagnostic) => describe(diagnostic, program));
    });
  }

  /** Compiles the programs and the library beneath them, so that `node` runs them; `file` then tells where they are. */
  build(): void {
    this.#compiled.emit();
    const library = join(OUT, 'libs/postage');
    write(join(library, 'package.json'), JSON.stringify(LIBRARY));
    mkdirSync(join(OUT, 'node_modules'), { recursive: true });
    symlinkSync('../libs/postage', join(OUT, 'node_modules/nestjs-postage'), 'junction');
  }

  /** The compiled form of a program, for example `readme/send.ts`. */
  file(path: string): string {
    return join(OUT, relative(ROOT, SOURCES), path.replace(/\.ts$/, '.js'));
  }

  /** Deletes everything it has written. */
  close(): void {
    rmSync(FOLDER, { recursive: true, force: true });
  }
}

const CONFIG = {
  extends: '../../../tsconfig.base.json',
  compilerOptions: {
    rootDir: '../../..',
    outDir: 'out',
    composite: false,
    incremental: false,
    declaration: false,
    sourceMap: false,
    moduleDetection: 'force',
    paths: {
      'nestjs-postage': ['../../../libs/postage/src/index.ts'],
      'nestjs-postage/testing': ['../../../libs/postage/src/testing/index.ts'],
    },
  },
  include: ['src'],
};

/** What stands for the package at run time: the same entry points, compiled into the workshop. */
const LIBRARY = {
  name: 'nestjs-postage',
  type: 'module',
  exports: { '.': './src/index.js', './testing': './src/testing/index.js' },
};

const readOptions = (): ts.CompilerOptions => {
  const { options, errors } = ts.parseJsonConfigFileContent(CONFIG, ts.sys, FOLDER);
  const [error] = errors;
  if (error) throw new Error(ts.flattenDiagnosticMessageText(error.messageText, '\n'));
  return options;
};

const describe = ({ file, start, messageText }: ts.Diagnostic, program: Program): string => {
  const line = file === undefined ? 1 : file.getLineAndCharacterOfPosition(start ?? 0).line + 1;
  return `${program.origin(line)}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
};

const write = (file: string, text: string): void => {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
};
