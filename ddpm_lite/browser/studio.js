// The networks that a page or a view draws with: the engine and each of them is fetched when it is first asked for.

class Studio {
  // fetched(name): a promise of a network's { entry, bytes }, and of { source } for "engine".
  constructor(fetched) {
    this.fetched = fetched;
    this.engine = null;
    this.starting = null;
    this.arriving = new Map();
    this.ended = 0; // how often: what was asked for before is not begun any more
  }

  // Loads these networks, and gives what is known of each: { name: recipe }. After a failure, it may be tried again.
  async wake(...names) {
    const load = async (name) => {
      const { entry, bytes } = await this.fetched(name);
      await (await this.starting).load(name, entry, bytes);
      return entry.recipe;
    };
    if (this.engine?.broken) {
      this.end();
      takeOffShelf("engine");
    }
    const before = this.ended;
    const begin = ({ source }) => {
      if (this.ended !== before) throw new Error("The view was closed.");
      try {
        return (this.engine = new Engine(source));
      } catch (error) {
        throw new Error(`This browser starts no worker: ${error.message}`);
      }
    };
    try {
      if (!engineRuns()) throw new Error("This browser cannot run the networks, so nothing is drawn here.");
      this.starting ??= this.fetched("engine").then(begin);
      await this.starting;
    } catch (error) {
      if (this.ended === before) this.end();
      throw error;
    }
    for (const name of names) if (!this.arriving.has(name)) this.arriving.set(name, load(name));
    const recipes = await Promise.all(
      names.map((name) =>
        this.arriving.get(name).catch((error) => {
          this.arriving.delete(name);
          takeOffShelf(name);
          throw error;
        }),
      ),
    );
    return Object.fromEntries(names.map((name, i) => [name, recipes[i]]));
  }

  end() {
    this.ended++;
    this.engine?.end();
    [this.engine, this.starting] = [null, null];
    this.arriving.clear();
  }
}
