"""A whole local Pleo: the export API, its rules and a company behind it, over real HTTP on this machine.

It reads the contract on its own and shares no code with the client, or a misreading would hide on both sides.
"""
