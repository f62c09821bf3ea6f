"""Commands that prove: a resume is exact, the installed loop works."""
