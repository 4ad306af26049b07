/** One node of a tree of topic patterns, one word per level. */
interface Node<T> {
  readonly children: Map<string, Node<T>>;
  readonly values: Set<T>;
}

const newNode = <T>(): Node<T> => ({ children: new Map(), values: new Set() });

/** RabbitMQ takes the empty key for no words at all, and `a.` for two words, the second of them empty. */
const wordsOf = (key: string): readonly string[] => (key === '' ? [] : key.split('.'));

/** Finds the values whose topic pattern matches a key: `*` stands for one word, `#` for any number of words. */
export class TopicTree<T> {
  readonly #root: Node<T> = newNode();

  add(pattern: string, value: T): void {
    let node = this.#root;
    for (const word of wordsOf(pattern)) {
      const child = node.children.get(word) ?? newNode<T>();
      node.children.set(word, child);
      node = child;
    }
    node.values.add(value);
  }

  remove(pattern: string, value: T): void {
    this.#remove(this.#root, wordsOf(pattern), value);
  }

  /** Adds to `found` what matches the key. */
  collect(key: string, found: Set<T>): void {
    this.#collect({ node: this.#root, words: wordsOf(key), found }, 0);
  }

  #remove(node: Node<T>, [word, ...rest]: readonly string[], value: T): void {
    if (word === undefined) {
      node.values.delete(value);
      return;
    }
    const child = node.children.get(word);
    if (child === undefined) return;
    this.#remove(child, rest, value);
    if (child.values.size === 0 && child.children.size === 0) node.children.delete(word);
  }

  #collect(search: { node: Node<T>; words: readonly string[]; found: Set<T> }, at: number): void {
    const { node, words, found } = search;
    const hash = node.children.get('#');
    if (hash !== undefined) {
      for (let next = at; next <= words.length; next += 1) this.#collect({ node: hash, words, found }, next);
    }
    const word = words[at];
    if (word === undefined) {
      for (const value of node.values) found.add(value);
      return;
    }
    for (const pattern of word === '*' ? ['*'] : ['*', word]) {
      const child = pattern === '#' ? undefined : node.children.get(pattern);
      if (child !== undefined) this.#collect({ node: child, words, found }, at + 1);
    }
  }
}
