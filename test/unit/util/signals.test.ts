import { expect } from 'chai';
import { constants } from 'node:os';
import { signalName, signalNumber } from '../../../lib/util/signals.js';

describe('signals', () => {
  it('knows every signal that Node knows by its number', () => {
    for (const [name, number] of Object.entries(constants.signals))
      expect(signalNumber(name), name).to.equal(number);
  });

  const numbers: [string | number, number | undefined][] = [
    ['term', 15],
    ['SIGTERM', 15],
    ['15', 15],
    [9, 9],
    ['SIGRTMIN', 34],
    ['RTMIN+3', 37],
    ['SIGRTMAX-1', 63],
    ['SIGRTMAX', 64],
    ['RTMIN-1', undefined],
    ['RTMAX+1', undefined],
    ['RTMIN+31', undefined],
    ['0', undefined],
    [0, undefined],
    [65, undefined],
    [1.5, undefined],
    ['', undefined],
    ['SIG', undefined],
    ['NOPE', undefined],
    ['__proto__', undefined],
    ['toString', undefined],
  ];
  for (const [signal, number] of numbers) {
    it(`${JSON.stringify(signal)} is ${number ?? 'none'}`, () => {
      expect(signalNumber(signal)).to.equal(number);
    });
  }

  it('names what it numbers', () => {
    for (let number = 1; number <= 64; number++) {
      const name = signalName(number);
      if (number === 32 || number === 33) expect(name).to.equal(`SIG${number}`);
      else expect(signalNumber(name), name).to.equal(number);
    }
  });
});
