"""Attacks on files, by every part of Node.js that opens some."""

from tests.escape.attack import CLOSED, Attack

FILES = [
    Attack(
        name="read files of the host",
        code="""
async function attack() {
  for (const path of ['/etc/passwd', '/etc/shadow', '/etc/hostname', '/proc/self/environ', '/proc/self/maps',
    '/proc/self/mem', '/proc/1/environ', `/proc/${w.owner}/environ`, `/proc/${w.owner}/mem`,
    `/proc/${w.zygote}/environ`, `/proc/${process.ppid}/maps`, '/sys/kernel/notes', '/dev/zero', '/dev/tty',
    '/dev/urandom', w.secret_file, '/proc/self/root' + w.secret_file]) {
    await tried(path, () => fs.readFileSync(path));
    await tried(path, () => fs.promises.readFile(path));
  }
}
""",
        errnos=CLOSED,
        proofs=34,
    ),
    Attack(
        name="read a file by other parts",
        code="""
async function attack() {
  const path = w.secret_file;
  await tried('stream', () => emitted(fs.createReadStream(path), 'data'));
  await tried('env file', () => process.loadEnvFile(path));
  await tried('json', () => { require.extensions['.json']({ exports: {} }, path); });
  await tried('module', () => { require.extensions['.js']({ exports: {}, _compile() {} }, path); });
  await tried('handle', () => fs.promises.open(path));
  await tried('copy', () => fs.copyFileSync(path, path + '-new'));
  await tried('cp', () => fs.cpSync(path, path + '-new'));
  await tried('link', () => fs.readlinkSync(`/proc/${w.owner}/exe`));
  const blob = (async () => (await fs.openAsBlob(path)).text());
  await tried('blob', blob);
}
""",
        errnos=CLOSED | {"ERR_INVALID_ARG_VALUE", "NotReadableError"},
        proofs=9,
    ),
    Attack(
        name="databases",
        code="""
async function attack() {
  const { DatabaseSync, backup } = require('node:sqlite');
  const memory = () => new DatabaseSync(':memory:', { allowExtension: true });
  const new_ = w.secret_file + '-new';
  await tried('open', () => new DatabaseSync(new_));
  await tried('open', () => new DatabaseSync(w.secret_file, { readOnly: true }));
  await tried('attach', () => memory().exec(`ATTACH '${w.secret_file}' AS f; SELECT * FROM f.sqlite_master`));
  await tried('attach', () => memory().exec(`ATTACH '${new_}' AS f; CREATE TABLE f.t (x)`));
  await tried('vacuum', () => memory().exec(`CREATE TABLE t (x); VACUUM INTO '${new_}'`));
  await tried('backup', () => backup(memory(), new_));
  await tried('sql', () => memory().prepare('SELECT load_extension(?)').get('libm.so.6'));
}
""",
        errnos=frozenset({"ERR_SQLITE_ERROR"}),
        proofs=7,
    ),
    Attack(
        name="list folders of the host",
        code="""
async function attack() {
  for (const path of [...w.folders.slice(0, 6), w.folder]) {
    await tried(path, () => fs.readdirSync(path));
    await tried(path, () => fs.opendirSync(path));
    await tried(path, () => fs.promises.readdir(path, { recursive: true }));
  }
  await tried('glob', () => fs.globSync(w.folder + '/*').join() || fs.readdirSync('/nowhere'));
  await tried('chdir', () => process.chdir(w.folder));
}
""",
        errnos=CLOSED,
        proofs=20,
    ),
    Attack(
        name="change the file",
        code="""
async function attack() {
  const path = w.secret_file;
  for (const flags of ['w', 'a', 'r+', 'wx', 'as', fs.constants.O_TRUNC, fs.constants.O_CREAT])
    await tried(`open ${flags}`, () => fs.openSync(path, flags));
  await tried('write', () => fs.writeFileSync(path, 'x'));
  await tried('append', () => fs.promises.appendFile(path, 'x'));
  await tried('stream', () => emitted(fs.createWriteStream(path), 'open'));
  await tried('truncate', () => fs.truncateSync(path));
  await tried('chmod', () => fs.chmodSync(path, 0));
  await tried('chown', () => fs.chownSync(path, 1, 1));
  await tried('utimes', () => fs.utimesSync(path, 1, 1));
  await tried('lutimes', () => fs.lutimesSync(path, 1, 1));
  await tried('rename', () => fs.renameSync(path, path + '-new'));
  await tried('unlink', () => fs.unlinkSync(path));
  await tried('rm', () => fs.rmSync(path));
  await tried('link', () => fs.linkSync(path, path + '-new'));
  await tried('symlink', () => fs.symlinkSync(path, path + '-new'));
}
""",
        errnos=CLOSED,
        proofs=20,
    ),
    Attack(
        name="make files",
        code="""
async function attack() {
  const own = require('node:path').dirname(process.execPath);
  for (const folder of [w.folder, '/tmp', '/dev/shm', '/var/tmp', '.', '/', own]) {
    await tried(folder, () => fs.writeFileSync(folder + '/new', ''));
    await tried(folder, () => fs.mkdirSync(folder + '/new'));
    await tried(folder, () => fs.mkdtempSync(folder + '/new'));
    await tried(folder, () => fs.symlinkSync('x', folder + '/new'));
  }
}
""",
        errnos=CLOSED,
        proofs=28,
    ),
    Attack(
        name="what Node.js writes by itself",
        code="""
async function attack() {
  const v8 = require('node:v8');
  const there = w.folder + '/new';
  process.report.directory = w.folder;
  await tried('report', () => process.report.writeReport('new'));
  await tried('heap', () => v8.writeHeapSnapshot(there));
  await tried('coverage', () => { v8.takeCoverage(); throw { errno: -1 }; });
  const cache = require('node:module').enableCompileCache(there);
  proof('cache', cache.status === 0, JSON.stringify(cache));
  const { WASI } = require('node:wasi');
  await tried('wasi', () => new WASI({ version: 'preview1', preopens: { '/': w.folder } }));
}
""",
        errnos=CLOSED | {44},  # ENOENT, as WASI counts
        proofs=5,
    ),
    Attack(
        name="change the runtime's own files",
        code="""
async function attack() {
  const addon = process.report.getReport().sharedObjects.find((path) => path.endsWith('cell.node'));
  for (const path of [process.execPath, addon, addon.replace('cell.node', 'zygote.js')]) {
    for (const flags of ['w', 'r+', 'a', fs.constants.O_TRUNC])
      await tried(path, () => fs.openSync(path, flags));
    await tried('chmod', () => fs.chmodSync(path, 0o777));
    await tried('utimes', () => fs.utimesSync(path, 1, 1));
    await tried('unlink', () => fs.unlinkSync(path));
  }
}
""",
        errnos=CLOSED,
        proofs=21,
    ),
    Attack(
        name="flush and watch what may be read",
        code="""
async function attack() {
  const fd = fs.openSync(process.execPath);
  await tried('sync', () => fs.fsyncSync(fd));
  await tried('data', () => fs.fdatasyncSync(fd));
  await tried('futimes', () => fs.futimesSync(fd, 1, 1));
  await tried('fchmod', () => fs.fchmodSync(fd, 0o777));
  await tried('ftruncate', () => fs.ftruncateSync(fd, 0));
  await tried('write', () => fs.writeSync(fd, 'x', 0));
  await tried('watch', () => fs.watch(process.execPath));
  await tried('statfs', () => fs.statfsSync(process.execPath));
}
""",
        errnos=CLOSED | {9},  # EBADF: a write to what is open for reading
        proofs=8,
    ),
]
