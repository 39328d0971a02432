export { DEFAULT_PORT, type TcpTransportOptions, tcpTransport } from "./transport.ts";
