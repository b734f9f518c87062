export class Loop {}
