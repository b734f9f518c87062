import { Status, statusName } from '../../lib/rpc/index.ts'

describe('statusName', () => {
  it('is the name of every code', () => {
    expect(Object.entries(Status).map(([, status]) => statusName(status))).toEqual(Object.keys(Status))
    expect(statusName(5)).toBe('NOT_FOUND')
  })

  it('is the number where there is no name', () => {
    expect([statusName(17), statusName(-1)]).toEqual(['status 17', 'status -1'])
  })
})
