import { hostname } from 'node:os';
import { describe, expect, it } from 'vitest';
import { Fingerprint, type SystemFacts } from './fingerprint.js';

const system: SystemFacts = {
  env: {},
  pid: 4242,
  hostname: () => 'host-1',
  username: () => 'svc',
  uid: () => 1000,
};
const nameless: SystemFacts = {
  ...system,
  username: () => {
    throw new Error('uv_os_get_passwd returned ENOENT');
  },
};

describe('Fingerprint', () => {
  it('collects what it is not told', () => {
    const dict = new Fingerprint('echo_send', 'application', { system }).asDict();
    expect(JSON.stringify(dict)).toBe(
      '{"name":"echo_send","type":"application","pid":"4242","host":"host-1","user":"svc","vhost":"/"}',
    );
  });

  it('asks this process unless told otherwise', () => {
    const dict = new Fingerprint().asDict();
    expect(dict).toMatchObject({ name: null, type: null, pid: String(process.pid), host: hostname() });
    expect(dict.user).toMatch(/./);
  });

  it('takes the same values as one object', () => {
    const given = { name: 'a', type: 'b', pid: '1', host: 'h', user: 'u', vhost: 'v' };
    expect(new Fingerprint(given).asDict()).toEqual(given);
    expect(new Fingerprint({ type: 'b', system }).asDict()).toMatchObject({
      name: null,
      type: 'b',
      pid: '4242',
    });
    expect(new Fingerprint('a', 'b', { pid: '1', host: 'h', user: 'u', vhost: 'v' }).asDict()).toEqual(given);
  });

  it('reads the virtual host from the environment, when it is set', () => {
    const vhostIn = (vhost: string | undefined): string =>
      new Fingerprint({ system: { ...system, env: { POSTAGE_VHOST: vhost } } }).asDict().vhost;
    expect([vhostIn('development'), vhostIn(''), vhostIn(undefined)]).toEqual(['development', '/', '/']);
  });

  it('reads the virtual host of POSTAGE_URL first, as a connection made from it does', () => {
    const vhostIn = (url: string): string =>
      new Fingerprint({ system: { ...system, env: { POSTAGE_URL: url, POSTAGE_VHOST: 'other' } } }).asDict()
        .vhost;
    expect(['amqp://host/a%2Fb', 'amqp://host', 'amqp://host/', 'nonsense', ''].map(vhostIn)).toEqual([
      'a/b',
      'other',
      'other',
      'other',
      'other',
    ]);
  });

  it('falls back where the system does not know the user, as in containers', () => {
    const userIn = (env: SystemFacts['env'], uid: number | undefined): string =>
      new Fingerprint({ system: { ...nameless, env, uid: () => uid } }).asDict().user;
    expect(userIn({ USER: 'ann', LOGNAME: 'bob' }, 1000)).toBe('ann');
    expect(userIn({ USER: '', LOGNAME: 'bob' }, 1000)).toBe('bob');
    expect(userIn({}, 1000)).toBe('1000');
    expect(userIn({}, undefined)).toBe('unknown');
  });

  it('never changes', () => {
    const fingerprint = new Fingerprint('echo_send');
    expect(fingerprint.asDict()).toBe(fingerprint.asDict());
    expect(Object.isFrozen(fingerprint.asDict())).toBe(true);
  });

  it('is a tuple of its values, in the same order', () => {
    const fingerprint = new Fingerprint('echo_send', 'application', { system });
    expect(fingerprint.asTuple()).toEqual(Object.values(fingerprint.asDict()));
  });
});
