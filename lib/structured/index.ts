// Running.
export { run, runWith, type RunOptions } from './run.ts'
export {
  currentAsyncLibrary,
  currentEffectiveDeadline,
  currentLoop,
  currentScope,
  currentTask,
  currentTime,
} from './current.ts'
export { sleep, sleepForever, sleepUntil } from './sleep.ts'
export { cancelShieldedCheckpoint, checkpoint, checkpointIfCancelled, type CheckpointOptions } from './checkpoint.ts'

// Scopes and nurseries.
export { CancelScope, type CancelScopeOptions } from './cancelScope.ts'
export { failAfter, failAt, moveOnAfter, moveOnAt, type MoveOnOptions } from './moveOn.ts'
export { openNursery, Nursery, type NurseryOptions, type OpenNursery } from './nursery.ts'
export type { Outcome, TaskHandle, TaskStatus } from './taskHandle.ts'

// What can go wrong.
export { ExceptionGroup, type ErrorCondition } from './exceptionGroup.ts'
export {
  AsyncLibraryNotFoundError,
  BrokenResourceError,
  BrokenWorkerError,
  CalledProcessError,
  Cancelled,
  ClosedResourceError,
  EndOfChannel,
  TooSlowError,
  WouldBlock,
  type ProcessResult,
} from './errors.ts'
export { CancelledError, InvalidStateError } from '../errors.ts'

// Synchronisation.
export { Event } from './event.ts'
export {
  openMemoryChannel,
  type MemoryChannelStatistics,
  type MemoryReceiveChannel,
  type MemorySendChannel,
} from './memoryChannel.ts'
export { CapacityLimiter } from './capacityLimiter.ts'

// Connections, and what serves them.
export { closeWith } from './closeWith.ts'
export { createConnection, type CreateConnectionOptions } from './createConnection.ts'
export { createServer, runServer, type ServeOptions } from './createServer.ts'
export { openConnection, type OpenOptions } from './openConnection.ts'
export { serveCalls } from './serveCalls.ts'
export { startServer, type StreamServeOptions } from './startServer.ts'
export { Server } from '../endpoints/server.ts'

// asyncio's flavour.
export { openLoop } from './openLoop.ts'
export { Loop, type CreateTaskOptions } from './loop.ts'
export { Future, type DoneCallback, type FutureOptions } from './future.ts'
export { Task } from './task.ts'
export { Handle, TimerHandle } from './handle.ts'
export type { ExceptionContext, ExceptionHandler } from './loopErrors.ts'
export type { WatchedReadable, WatchedWritable } from './streamWatchers.ts'
export type { Closable } from './autoclosing.ts'
export {
  TrioExecutor,
  type ExecutorRunOptions,
  type ExportedFunction,
  type TrioExecutorOptions,
} from './trioExecutor.ts'
export { runProcess, type RunProcessOptions } from './runProcess.ts'

// The bridge between the two.
export { aioAsTrio, asyncioAsTrio, type AioAsTrioOptions, type BridgedDisposable } from './aioAsTrio.ts'
export type { AioIteration } from './aioIteration.ts'
export { trioAsAio, trioAsAsyncio, type TrioAsAioOptions } from './trioAsAio.ts'
export type { TrioIteration } from './trioIteration.ts'
export { runAioCoroutine, runAioFuture, runAioGenerator, type RunAioOptions } from './runAio.ts'
export { runTrio, runTrioTask } from './runTrio.ts'
export { allowAsyncio } from './allowAsyncio.ts'
export type { Flavour } from './context.ts'
